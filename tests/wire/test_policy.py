"""The choices about values: ranges, and what the environment may say."""

import dataclasses
import logging
from typing import Any

import pytest

from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"marker_detail": "all"}, "marker_detail='all' is none of none, type, repr_truncated"),
        ({"marker_length": -1}, "marker_length=-1 is not between 0 and 2000"),
        ({"marker_length": 2001}, "marker_length=2001"),
        ({"max_list_elements": -1}, "max_list_elements=-1 is negative"),
        ({"tensor_bytes": -1}, "tensor_bytes=-1 is negative"),
    ],
)
def test_values_out_of_range_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WirePolicy(**wrong)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT_POLICY.allow_pickle = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, WirePolicy()),
        (
            {
                "SNAKEPIT_UNSERIALIZABLE_DETAIL": "repr_truncated",
                "SNAKEPIT_UNSERIALIZABLE_REPR_MAXLEN": "20",
                "SNAKEPIT_TOLIST_MAX_ELEMENTS": "3",
            },
            WirePolicy(marker_detail="repr_truncated", marker_length=20, max_list_elements=3),
        ),
        (
            {
                "FTBRIDGE_MARKER_DETAIL": "type",
                "SNAKEPIT_UNSERIALIZABLE_DETAIL": "repr_truncated",
                "FTBRIDGE_MARKER_LENGTH": "10",
                "SNAKEPIT_UNSERIALIZABLE_REPR_MAXLEN": "20",
                "FTBRIDGE_MAX_LIST_ELEMENTS": "4",
                "SNAKEPIT_TOLIST_MAX_ELEMENTS": "3",
            },
            WirePolicy(marker_detail="type", marker_length=10, max_list_elements=4),
        ),
        ({"SNAKEPIT_UNSERIALIZABLE_REPR_MAXLEN": "5000"}, WirePolicy(marker_length=2000)),
        ({"SNAKEPIT_UNSERIALIZABLE_REPR_MAXLEN": "-5"}, WirePolicy(marker_length=0)),
        ({"SNAKEPIT_UNSERIALIZABLE_DETAIL": " Type "}, WirePolicy(marker_detail="type")),
    ],
)
def test_environment(environ: dict[str, str], expected: WirePolicy) -> None:
    assert WirePolicy.from_environment(environ) == expected


def test_what_the_environment_gets_wrong_is_logged_and_harmless(
    caplog: pytest.LogCaptureFixture,
) -> None:
    environ = {
        "SNAKEPIT_UNSERIALIZABLE_DETAIL": "everything",
        "SNAKEPIT_UNSERIALIZABLE_REPR_MAXLEN": "many",
        "FTBRIDGE_MAX_LIST_ELEMENTS": "1e6",
    }
    with caplog.at_level(logging.WARNING, "ftbridge.wire"):
        assert WirePolicy.from_environment(environ) == WirePolicy()
    for name, value in environ.items():
        assert f"{name}={value!r}" in caplog.text


def test_what_only_the_operator_may_say() -> None:
    policy = WirePolicy.from_environment({}, snakepit=True, allow_pickle=True)
    assert (policy.snakepit, policy.allow_pickle) == (True, True)
