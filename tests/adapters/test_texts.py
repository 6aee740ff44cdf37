"""Values that JSON can only spell."""

import datetime
import decimal
import enum
import pathlib
import uuid

import pytest

from ftbridge.adapters.annotations import accept
from ftbridge.adapters.matching import Mismatch

IDENT = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Color(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@pytest.mark.parametrize(
    ("annotation", "value", "taken"),
    [
        (
            datetime.datetime,
            "2026-01-02T03:04:05Z",
            datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        ),
        (datetime.date, "2026-01-02", datetime.date(2026, 1, 2)),
        (datetime.time, "03:04", datetime.time(3, 4)),
        (uuid.UUID, str(IDENT), IDENT),
        (decimal.Decimal, "0.10", decimal.Decimal("0.10")),
        (decimal.Decimal, 3, decimal.Decimal(3)),
        (pathlib.Path, "a/b", pathlib.Path("a/b")),
        (Color, "red", Color.RED),
        (Level, 2, Level.HIGH),
        (Access, 3, Access.READ | Access.WRITE),
        (datetime.date | None, None, None),
    ],
)
def test_text_becomes_what_it_spells(annotation, value, taken):
    found = accept(annotation).take(value)
    assert found == taken
    assert type(found) is type(taken)
    assert accept(annotation).take(taken) is taken


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (datetime.datetime, "yesterday"),
        (datetime.datetime, 1700000000),
        (datetime.date, "2026-13-01"),
        (uuid.UUID, "1234"),
        (decimal.Decimal, 0.1),
        (decimal.Decimal, True),
        (decimal.Decimal, "ten"),
        (pathlib.Path, 3),
        (Color, "green"),
        (Color, "RED"),
        (Level, True),
        (Level, 1.0),
        (Access, 8),
        (Access, None),
    ],
)
def test_what_spells_nothing_is_refused(annotation, value):
    with pytest.raises(Mismatch):
        accept(annotation).take(value)


def test_an_enumerations_values_are_published_as_its_choices():
    taken = accept(Color)
    assert (taken.wire_type, taken.choices) == ("string", ("red", "blue"))
    assert accept(Level).wire_type == "integer"
    assert taken.expected == "one of 'red', 'blue'"
