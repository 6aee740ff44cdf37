"""What becomes of each kind of value on its way to JSON."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import pathlib
import types
import uuid
from typing import Any, NamedTuple

import numpy as np
import pytest

from ftbridge.wire.markers import TYPE_KEY, UNSERIALIZABLE_KEY
from ftbridge.wire.plain import MAX_DEPTH, to_plain


class Colour(enum.Enum):
    RED = "red"
    NESTED = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Name(enum.StrEnum):
    A = "a"


class Text(str):
    def __str__(self) -> str:
        return "not this"


class Number(int):
    def __repr__(self) -> str:
        return "not this"


class Point(NamedTuple):
    x: int
    y: object


@dataclasses.dataclass(slots=True)
class Record:
    name: str
    inner: object = None


class Model:
    """As pydantic's."""

    def __init__(self, **fields: object) -> None:
        self.fields = fields

    def model_dump(self) -> dict[str, object]:
        return self.fields


class Broken:
    def to_dict(self) -> dict[str, object]:
        raise RuntimeError("no")


def marked(name: str) -> dict[str, object]:
    return {UNSERIALIZABLE_KEY: True, TYPE_KEY: name}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (range(3), [0, 1, 2]),
        (collections.deque([1, 2]), [1, 2]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (types.MappingProxyType({"a": (1,)}), {"a": [1]}),
        (collections.UserDict(a=1), {"a": 1}),
        (collections.UserString("ab"), "ab"),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), marked("builtins.dict_values")),
        (Colour.RED, "red"),
        (Colour.NESTED, [1, 2]),
        (Level.HIGH, 3),
        (Name.A, "a"),
        (Text("text"), "text"),
        (Number(5), 5),
        (Point(1, Point(2, None)), {"x": 1, "y": {"x": 2, "y": None}}),
        (Record("a", Record("b")), {"name": "a", "inner": {"name": "b", "inner": None}}),
        (Model(a=Model(b={1})), {"a": {"b": [1]}}),
        (datetime.datetime(2024, 2, 3, 4, 5, 6, 7), "2024-02-03T04:05:06.000007"),
        (datetime.datetime(2024, 2, 3, tzinfo=datetime.UTC), "2024-02-03T00:00:00+00:00"),
        (datetime.date(2024, 2, 3), "2024-02-03"),
        (datetime.time(4, 5), "04:05:00"),
        (datetime.timedelta(milliseconds=1500), 1.5),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.10"), "1.10"),
        (fractions.Fraction(1, 3), "1/3"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (b"raw", marked("builtins.bytes")),
        (bytearray(b"raw"), marked("builtins.bytearray")),
        (memoryview(b"raw"), marked("builtins.memoryview")),
        (1j, marked("builtins.complex")),
        (int, marked("builtins.type")),
        (iter([1]), marked("builtins.list_iterator")),
        (Broken(), marked(f"{__name__}.Broken")),
        (NotImplemented, marked("builtins.NotImplementedType")),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("nested", [False, True], ids=["alone", "nested"])
def test_odd_types(value: object, expected: object, nested: bool) -> None:
    if nested:
        value, expected = {"k": [0, value]}, {"k": [0, expected]}
    assert to_plain(value) == expected
    assert to_plain(value, repair=True) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(2**62 + 1), 2**62 + 1),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float32(1.5), 1.5),
        (np.float64(0.1), 0.1),
        (np.longdouble(1.5), 1.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(5), 5),
        (np.array([], dtype=np.float32), []),
        (np.array([1.5, 2.5], dtype=np.longdouble), [1.5, 2.5]),
        (np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), [[1, 2.5]]),
        (np.array([{"a": (1,)}, None], dtype=object), [{"a": [1]}, None]),
        (np.ma.array([1, 2], mask=[False, True]), [1, None]),
        # Units that tolist() gives as bare numbers.
        (np.datetime64("2024-01-01T00:00:00.000000001"), "2024-01-01T00:00:00.000000001"),
        (np.array(["2024-01-01"], dtype="M8[D]"), ["2024-01-01"]),
        (np.array([1j]), [marked("builtins.complex")]),
    ],
)
def test_numpy(value: object, expected: object) -> None:
    result = to_plain(value)
    assert result == expected
    assert type(result) is type(expected)


def test_every_integer_dtype_keeps_its_limits() -> None:
    for kind in "bhilqBHILQ":
        limits = np.iinfo(kind)
        assert to_plain(np.array([limits.min, limits.max], dtype=kind)) == [limits.min, limits.max]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({1: "a", 2.5: "b", None: "c", False: "d"},
         {"1": "a", "2.5": "b", "null": "c", "false": "d"}),
        ({(1, 2): "a", Colour.RED: "b", Level.HIGH: "c"}, {"(1, 2)": "a", "red": "b", "3": "c"}),
        ({uuid.UUID(int=0): 1}, {"00000000-0000-0000-0000-000000000000": 1}),
        ({np.int64(3): 1, np.str_("s"): 2}, {"3": 1, "s": 2}),
        ({1: "first", "1": "second"}, {"1": "first"}),
        ({"1": "first", 1: "second"}, {"1": "first"}),
        ({1: {2: {3: 4}}}, {"1": {"2": {"3": 4}}}),
    ],
)  # fmt: skip
def test_keys_become_text(value: object, expected: object) -> None:
    assert to_plain(value) == expected


def test_a_key_whose_text_fails_names_its_type() -> None:
    class Nameless:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert to_plain({Nameless(): 1}) == {f"<{__name__}.{Nameless.__qualname__}>": 1}


def test_cycles_end_in_a_marker() -> None:
    loop: list[Any] = [1]
    loop.append({"loop": loop})
    assert to_plain(loop) == [1, {"loop": marked("builtins.list")}]
    record = Record("self")
    record.inner = [record]
    assert to_plain(record) == {"name": "self", "inner": [marked(f"{__name__}.Record")]}


def test_a_value_in_two_places_is_no_cycle() -> None:
    shared = {"a": [1, (2,)]}
    assert to_plain([shared, shared]) == [{"a": [1, [2]]}] * 2


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"k": v}, lambda v: Record("r", v)])
def test_depth_is_bounded(wrap: Any) -> None:
    value: object = 0
    for _ in range(5000):
        value = wrap(value)
    plain = to_plain(value)
    assert UNSERIALIZABLE_KEY in json.dumps(plain)
    depth = 0
    while isinstance(plain, dict | list) and UNSERIALIZABLE_KEY not in plain:
        plain = plain[0] if isinstance(plain, list) else plain.get("k", plain.get("inner"))
        depth += 1
    assert depth <= MAX_DEPTH


def test_an_endless_chain_of_hooks_ends() -> None:
    class Endless:
        def to_dict(self) -> "Endless":
            return Endless()

    assert to_plain(Endless()) == marked(f"{__name__}.{Endless.__qualname__}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (math.inf, None),
        ([1.5, math.nan], [1.5, None]),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),  # two surrogates that are one character
        ({"\udc00": ["\udc00"]}, {"\ufffd": ["\ufffd"]}),
        ([10**5000], [marked("builtins.int")]),
        (10**4000, 10**4000),
        ({"a": np.array([math.nan])}, {"a": [None]}),
    ],
)
def test_repair(value: object, expected: object) -> None:
    assert to_plain(value, repair=True) == expected


def test_the_value_is_not_touched_and_not_shared() -> None:
    inner = [1, 2]
    value: dict[object, object] = {"a": inner, 5: (inner,), "deep": {"x": {"y": inner}}}
    before = {"a": [1, 2], 5: ([1, 2],), "deep": {"x": {"y": [1, 2]}}}
    plain = to_plain(value)
    assert value == before
    inner.append(3)
    value["new"] = 1
    assert plain == {"a": [1, 2], "5": [[1, 2]], "deep": {"x": {"y": [1, 2]}}}


def test_nothing_is_replaced_in_place() -> None:
    value: dict[str, object] = {"t": (1,), "flat": {"a": 1}, "list": [(2,)]}
    plain = to_plain(value)
    assert plain == {"t": [1], "flat": {"a": 1}, "list": [[2]]}
    assert value == {"t": (1,), "flat": {"a": 1}, "list": [(2,)]}
    for flat in ({"a": 1}, dict.fromkeys(map(str, range(50))), [1, 2]):
        assert to_plain(flat) == flat
        assert to_plain(flat) is not flat


def test_containers_may_change_while_they_are_read() -> None:
    """What another thread might do, done by the value itself: between two items, each time."""
    outer: list[object] = []
    table: dict[str, object] = {}

    class Meddler:
        def to_dict(self) -> dict[str, object]:
            outer.append(1)
            table[f"k{len(table)}"] = 1
            return {"n": len(outer)}

    outer.extend([Meddler(), [Meddler()], Meddler()])
    table.update(a=Meddler(), b={"c": Meddler()}, d=outer)
    assert to_plain(outer) == [{"n": 4}, [{"n": 5}], {"n": 6}]
    plain = to_plain(table)
    assert isinstance(plain, dict)
    assert list(plain) == ["a", "b", "d", "k0", "k1", "k2"] or "k3" in plain
