"""Options that several commands share."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from ftbridge.cli.options import wire_options
from ftbridge.wire.policy import WirePolicy

seen: list[WirePolicy] = []


@click.command()
@wire_options
@click.option("--other", default=1)
def command(policy: WirePolicy, other: int) -> None:
    """Remember the policy."""
    assert other == 2
    seen.append(policy)


def policy_of(*arguments: str, env: dict[str, str] | None = None) -> WirePolicy:
    result = CliRunner().invoke(command, [*arguments, "--other", "2"], env=env)
    assert result.exit_code == 0, result.output
    return seen.pop()


def test_the_defaults_are_the_policys() -> None:
    assert policy_of() == WirePolicy()


def test_every_option() -> None:
    assert policy_of(
        "--compat", "snakepit", "--allow-pickle", "--marker-detail", "repr_truncated",
        "--marker-length", "0", "--max-list-elements", "7",
    ) == WirePolicy(
        snakepit=True, allow_pickle=True, marker_detail="repr_truncated", marker_length=0,
        max_list_elements=7,
    )  # fmt: skip


def test_options_win_over_the_environment() -> None:
    env = {"SNAKEPIT_UNSERIALIZABLE_DETAIL": "repr_truncated", "FTBRIDGE_MARKER_LENGTH": "9"}
    expected = WirePolicy(marker_detail="type", marker_length=9)
    assert policy_of("--marker-detail", "type", env=env) == expected


@pytest.mark.parametrize(
    "arguments", [("--compat", "other"), ("--marker-detail", "all"), ("--marker-length", "2001")]
)
def test_bad_values_are_refused(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(command, arguments).exit_code == 2
