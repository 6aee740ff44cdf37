"""Which locks count as the same when their order is checked, and what a program says about that.

Classes are numbered once for the whole process, so that a lock can carry its number whichever
checker asks. Must never use a primitive of this package.
"""

import threading
from _thread import allocate_lock
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final

from ftlocks._records import READ, LockInfo

_switch: Final = allocate_lock()
# By class and subclass: its number, and a lock of it, which keeps the code that made it alive.
_classes: Final[dict[object, tuple[int, LockInfo]]] = {}
_levels: Final[dict[int, int]] = {}  # the subclass of those that `nested` made
_subclass: Final = threading.local()
_nested_used = False


def node_of(lock: LockInfo, mode: str) -> int:
    """The number of the lock's class, doubled, and odd for the side of readers."""
    subclass = getattr(_subclass, "value", 0) if _nested_used else 0
    number = lock.order_class if not subclass else 0
    return (number or _number(lock, subclass)) << 1 | (mode == READ)


def label_of(lock: LockInfo, key: object, node: int) -> str:
    """A lock as reports name it."""
    label = lock.label if key is None else f"{lock.label}[{key!r:.40}]"
    if node >> 1 in _levels:
        label += f" at level {_levels[node >> 1]}"
    return f"{label} (to read)" if node & 1 else label


def declared(held: LockInfo, wanted: LockInfo) -> bool | None:
    """Whether the wanted one comes after the held one; None where nobody has said."""
    before, after = held.order_key, wanted.order_key
    if before is None or after is None or before[0] is not after[0]:
        return None
    return bool(before[1] < after[1]) if before[1] != after[1] else None


def _number(lock: LockInfo, subclass: int) -> int:
    with _switch:
        # By identity: a code object hashes all its bytecode, and the table keeps the lock alive.
        inside = tuple((id(code), instruction) for code, instruction in lock.inside)
        origin = (lock.class_key, inside, subclass)
        number, _ = _classes.setdefault(origin, (len(_classes) + 1, lock))
        if subclass:
            _levels[number] = subclass
    if not subclass:
        lock.order_class = number
    return number


class nested:  # noqa: N801  # reads as a word in `with nested(...)`
    """A block that holds `lock` as one of another class than its like.

    For locks made by one line that have levels, such as a tree's: ``with nested(child.lock, 1)``
    inside ``with parent.lock``. What lockdep calls a subclass.

    Args:
        lock: anything that ``with`` takes: a `Lock`, or ``rwlock.write()``.
        subclass: the level, from 1; 0 is the class itself.
    """

    __slots__ = ("_lock", "_number")

    def __init__(self, lock: AbstractContextManager[Any], subclass: int = 1) -> None:
        if subclass < 0:
            raise ValueError(f"subclass must not be negative, got {subclass!r}")
        self._lock = lock
        self._number = subclass

    def __enter__(self) -> Any:
        global _nested_used
        _nested_used = True
        before = getattr(_subclass, "value", 0)
        _subclass.value = self._number
        try:
            return self._lock.__enter__()
        finally:
            _subclass.value = before

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._lock.__exit__(kind, error, trace)


def declare_order[T](locks: Iterable[T], key: Callable[[T], Any] | None = None) -> None:
    """Declare that whoever takes several of `locks` takes them in this order.

    A checker then reports the first pair taken the other way round, without waiting to see both.

    Args:
        key: what to order by, such as ``id`` or an attribute; the order given by default.
    """
    family = object()
    for place, lock in enumerate(locks):
        info = getattr(lock, "_info", None)
        if not isinstance(info, LockInfo):
            raise TypeError(f"only primitives of ftlocks can be ordered, got {lock!r}")
        info.order_key = (family, place if key is None else key(lock))
