"""What the built-in containers' methods do to them, as kinds of access.

Only types whose operations are the interpreter's own are told of: a subclass that overrides one may
hold a lock inside, and its own code is seen where it was instrumented. Must never call a method of
the objects in question.
"""

from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from types import GeneratorType
from typing import Any, Final

from ftstress.events import GROW, READ, RESHAPE, SCAN, TAKE, UPDATE

_SEQUENCE: Final = {
    "append": GROW,
    "extend": GROW,
    "pop": TAKE,
    "remove": TAKE,
    "insert": RESHAPE,
    "clear": RESHAPE,
    "sort": RESHAPE,
    "reverse": RESHAPE,
    "index": SCAN,
    "count": SCAN,
    "copy": SCAN,
}
_DEQUE: Final = {
    **_SEQUENCE,
    "appendleft": GROW,
    "extendleft": GROW,
    "popleft": TAKE,
    "rotate": RESHAPE,
}
_DICT: Final = {
    "get": READ,
    "setdefault": UPDATE,
    "pop": TAKE,
    "popitem": TAKE,
    "update": GROW,
    "clear": RESHAPE,
    "keys": SCAN,
    "values": SCAN,
    "items": SCAN,
    "copy": SCAN,
    "move_to_end": RESHAPE,
}
_COUNTER: Final = {
    **_DICT,
    "update": RESHAPE,  # reads and adds, one by one
    "subtract": RESHAPE,
    "most_common": SCAN,
    "elements": SCAN,
    "total": SCAN,
}
_SET: Final = {
    "add": GROW,
    "discard": TAKE,
    "remove": TAKE,
    "pop": TAKE,
    "update": GROW,
    "clear": RESHAPE,
    "copy": SCAN,
    "union": SCAN,
    "intersection": SCAN,
    "difference": SCAN,
    "symmetric_difference": SCAN,
    "issubset": SCAN,
    "issuperset": SCAN,
    "isdisjoint": SCAN,
    "difference_update": RESHAPE,
    "intersection_update": RESHAPE,
    "symmetric_difference_update": RESHAPE,
}
_BASES: Final[tuple[tuple[type, dict[str, int]], ...]] = (
    (Counter, _COUNTER),
    (OrderedDict, _DICT),
    (defaultdict, _DICT),
    (dict, _DICT),
    (list, _SEQUENCE),
    (set, _SET),
    (deque, _DEQUE),
    (bytearray, _SEQUENCE),
    (array, _SEQUENCE),
)
_OPERATORS: Final = ("__getitem__", "__setitem__", "__delitem__", "__iter__", "__contains__")

METHODS: Final = frozenset(name for _, table in _BASES for name in table)
# Methods whose first argument is a key.
KEYED: Final[dict[type, frozenset[str]]] = {
    dict: frozenset({"get", "setdefault", "pop"}),
    set: frozenset({"add", "discard", "remove"}),
}
KEYED_METHODS: Final = frozenset().union(*KEYED.values())
# Built-in functions that read the whole of their arguments.
SCANNERS: Final = frozenset(
    {
        *("all", "any", "dict", "enumerate", "filter", "frozenset", "iter", "len", "list", "map"),
        *("max", "min", "next", "reversed", "set", "sorted", "sum", "tuple", "zip"),
    }
)
# Those of them that do so one by one, when they are asked.
STEPPERS: Final = frozenset({"enumerate", "filter", "map", "zip"})


class Traits:
    """How one type is looked at."""

    __slots__ = ("base", "cls", "methods")

    def __init__(self, cls: type, base: type, methods: dict[str, int]) -> None:
        self.cls = cls
        self.base = base  # dict, list, set, deque, or object for an array of numpy's
        self.methods = methods


def _work_out(cls: type) -> Traits | None:
    if cls.__module__ == "numpy" and cls.__name__ == "ndarray":
        return Traits(cls, object, {"sort": RESHAPE, "fill": RESHAPE, "copy": SCAN, "sum": SCAN})
    for base, methods in _BASES:
        if not issubclass(cls, base):
            continue
        watched = {*methods, *_OPERATORS}
        for ancestor in cls.__mro__:
            if ancestor is base:
                simple = dict if base in (Counter, OrderedDict, defaultdict) else base
                return Traits(cls, simple, methods)
            if watched & vars(ancestor).keys():
                return None
    return None


_known: Final[dict[type, Traits | None]] = {}


def traits(cls: type) -> Traits | None:
    """How to look at objects of a type; None for one that is no container of ours."""
    try:
        return _known[cls]
    except KeyError:
        found = _known[cls] = _work_out(cls)
        return found


def is_generator(value: Any) -> bool:
    """Whether it is a generator, whose state two threads cannot advance at once."""
    return type(value) is GeneratorType
