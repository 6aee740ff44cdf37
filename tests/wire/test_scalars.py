"""Scalars as the incumbent's workers send them, through the whole encoder."""

import datetime
import decimal
import enum
import math
import uuid

import numpy as np
import pytest

from ftbridge.wire.policy import WirePolicy
from ftbridge.wire.scalars import incumbent_scalar
from ftbridge.wire.values import to_result

SNAKEPIT = WirePolicy(snakepit=True)


class Colour(enum.Enum):
    RED = "red"


class Odd(enum.Enum):
    ONE = 1

    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42, b"42.0"),
        (2**53 + 1, b"9007199254740992.0"),
        (10**400, b"1" + b"0" * 400),
        (True, b"true"),
        (1.5, b"1.5"),
        (math.nan, b'"NaN"'),
        (None, b'"None"'),
        ("x", b'"x"'),
        (np.int64(5), b'"5"'),
        (np.float32(1.5), b'"1.5"'),
        (np.float64(1.5), b"1.5"),
        (np.bool_(True), b'"True"'),
        (datetime.datetime(2024, 2, 3, 4, 5, 6), b'"2024-02-03 04:05:06"'),
        (datetime.date(2024, 2, 3), b'"2024-02-03"'),
        (datetime.timedelta(milliseconds=1500), b'"0:00:01.500000"'),
        (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (decimal.Decimal("1.10"), b'"1.10"'),
        (Colour.RED, b'"Colour.RED"'),
        (1j, b'"1j"'),
        # Nested values are not scalars of a result: the same both ways.
        ([1, None], b"[1,null]"),
        ({"a": 1}, b'{"a":1}'),
        ((1, 2), b"[1,2]"),
    ],
)
def test_results_of_the_incumbent(value: object, text: bytes) -> None:
    result, binary = to_result(value, SNAKEPIT)
    assert result is not None
    assert result.value == text
    assert binary == b""


@pytest.mark.parametrize("value", [b"raw", bytearray(b"raw")])
def test_bytes_stay_binary(value: object) -> None:
    assert to_result(value, SNAKEPIT) == (None, b"raw")


def test_containers_and_arrays_are_left_alone() -> None:
    for value in ([1], {"a": 1}, (1,), {1}, np.zeros(2), object()):
        assert incumbent_scalar(value) is value


def test_a_text_that_fails_falls_back_to_the_value() -> None:
    result, _ = to_result(Odd.ONE, SNAKEPIT)
    assert result is not None
    assert result.value == b"1"
