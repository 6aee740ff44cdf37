"""What `ftbridge serve` makes of its options about locks."""

import click
import pytest
from click.testing import CliRunner

from ftbridge.bridge.deadlocks import LockCare
from ftbridge.cli.lock_options import lock_options


@pytest.mark.parametrize(
    ("words", "care"),
    [
        ([], LockCare(interval=5.0)),
        (["--lock-watchdog"], LockCare(interval=5.0)),
        (["--lock-watchdog=0.5"], LockCare(interval=0.5)),
        (["--lock-watchdog=0"], LockCare()),
        (["--break-deadlocks"], LockCare(interval=5.0, break_deadlocks=True)),
        (["--check-lock-order"], LockCare(interval=5.0, check_order=True)),
    ],
)
def test_options_become_care(words, care):
    given = []

    @click.command()
    @lock_options
    def command(lock_care):
        given.append(lock_care)

    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.output
    assert given == [care]
