"""The places in rewritten code, as the objects whose methods that code calls.

`ftstress.rewriting` turns ``a.b`` into ``SITE.read(a).b``, where ``SITE`` is a constant of the code
object: each method tells of the access and gives back what it was given, so that the operation
itself stays where it was, in its own frame, with its own line, column and exceptions. Must never
raise on its own account, nor call anything of the objects it is given.
"""

import functools
import gc
import sys
from operator import itemgetter
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Final

from ftstress.containers import KEYED, is_generator, traits
from ftstress.events import (
    READ,
    RESHAPE,
    SCAN,
    WRITE,
    Place,
    tell,
)

_SKIP: Final = 0  # no memory of its own: a property, a method
_OWN: Final = 1  # in the object
_MAYBE_CLASS: Final = 2  # in the object, or else in its class
_CACHED: Final = 3  # functools.cached_property
_MODULE: Final = 4
_CLASS: Final = 5

_CODE: Final = (
    FunctionType,
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
    staticmethod,
    classmethod,
)
_PENDING_LIMIT: Final = 64  # entries whose value raised before it was stored
_MISSING: Final = object()
_SECOND: Final = itemgetter(1)
_VIEWS: Final[tuple[type, ...]] = (type({}.keys()), type({}.values()), type({}.items()))


def _find(cls: type, name: str) -> tuple[type | None, Any]:
    for ancestor in cls.__mro__:
        found = vars(ancestor)
        if name in found:
            return ancestor, found[name]
    return None, _MISSING


def _how_read(cls: type, name: str) -> int:
    lookup: Any = cls.__getattribute__
    if lookup is ModuleType.__getattribute__:
        return _MODULE
    if lookup is type.__getattribute__:
        return _CLASS
    if lookup is not object.__getattribute__:
        return _SKIP  # threading.local, proxies: whose memory it is cannot be told
    owner, value = _find(cls, name)
    if owner is None or isinstance(value, MemberDescriptorType):
        return _OWN
    if isinstance(value, functools.cached_property):
        return _CACHED
    if isinstance(value, _CODE) or hasattr(type(value), "__get__"):
        return _SKIP
    return _MAYBE_CLASS


def _how_written(cls: type, name: str) -> int:
    if issubclass(cls, ModuleType):
        return _MODULE
    if issubclass(cls, type):
        return _OWN
    if cls.__setattr__ is not object.__setattr__:
        return _SKIP
    _, value = _find(cls, name)
    if not isinstance(value, MemberDescriptorType) and hasattr(type(value), "__set__"):
        return _SKIP
    return _OWN


class _Pending(Place):
    """A place that needs two calls: the first has the object, the second comes before the store."""

    __slots__ = ("_pending",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._pending: dict[int, Any] = {}  # by frame: no other thread runs in it

    def _put(self, frame: int, value: Any) -> None:
        if len(self._pending) > _PENDING_LIMIT:
            self._pending.clear()
        self._pending[frame] = value

    def _take(self, frame: int) -> Any:
        return self._pending.pop(frame, None) if frame in self._pending else None


class AttributeSite(_Pending):
    """``object.name``."""

    __slots__ = ("_reading", "_writing")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # The last type and what is known of it; replaced as a whole.
        self._reading: tuple[type | None, int] = (None, _SKIP)
        self._writing: tuple[type | None, int] = (None, _SKIP)

    def read(self, target: Any) -> Any:
        if tell.access is not None:
            self._read(target)
        return target

    def write(self, target: Any) -> Any:
        if tell.access is not None:
            self._write(target)
        return target

    def update(self, target: Any) -> Any:
        """For ``+=``: reads now; `stored` will tell of the write."""
        if tell.access is not None:
            self._read(target)
            self._put(id(sys._getframe(1)), target)
        return target

    def stored(self, value: Any) -> Any:
        if tell.access is not None:
            target = self._take(id(sys._getframe(1)))
            if target is not None:
                self._write(target)
        return value

    def _read(self, target: Any) -> None:
        cls = type(target)
        known = self._reading
        if known[0] is not cls:
            known = self._reading = (cls, _how_read(cls, self.name))
        how = known[1]
        if how == _SKIP:
            return
        kind = READ
        if how != _OWN:
            name = self.name
            if how == _MODULE:
                target = target.__dict__
                # What a module defines is not taken for something that threads change.
                if name in target and isinstance(target[name], (*_CODE, type, ModuleType)):
                    return
            elif how == _CLASS:
                owner, value = _find(target, name)
                if owner is None or isinstance(value, _CODE) or hasattr(type(value), "__get__"):
                    return
                target = owner
            elif how == _CACHED:
                kind = READ if name in target.__dict__ else WRITE
            elif name not in getattr(target, "__dict__", ()):
                target = _find(cls, name)[0]
        tell.access(kind, target, self.name, self)

    def _write(self, target: Any) -> None:
        cls = type(target)
        known = self._writing
        if known[0] is not cls:
            known = self._writing = (cls, _how_written(cls, self.name))
        how = known[1]
        if how == _OWN:
            tell.access(WRITE, target, self.name, self)
        elif how == _MODULE:
            tell.access(WRITE, target.__dict__, self.name, self)


class ItemSite(_Pending):
    """``object[key]``, and ``key in object``."""

    __slots__ = ()

    def read(self, target: Any, key: Any) -> Any:
        if tell.access is not None:
            self._tell(READ, target, key)
        return target

    def write(self, target: Any, key: Any) -> Any:
        if tell.access is not None:
            self._tell(WRITE, target, key)
        return target

    def delete(self, target: Any, key: Any) -> Any:
        if tell.access is not None:
            found = traits(type(target))
            moves = found is not None and found.base is not dict
            self._tell(RESHAPE if moves else WRITE, target, key)
        return target

    def update(self, target: Any, key: Any) -> Any:
        if tell.access is not None:
            self._tell(READ, target, key)
            self._put(id(sys._getframe(1)), (target, key))
        return target

    def stored(self, value: Any) -> Any:
        if tell.access is not None:
            pair = self._take(id(sys._getframe(1)))
            if pair is not None:
                self._tell(WRITE, *pair)
        return value

    # The same where the key is an expression that must be worked out only once.

    def base(self, target: Any) -> Any:
        if tell.access is not None:
            self._put(id(sys._getframe(1)), target)
        return target

    def read_key(self, key: Any) -> Any:
        if tell.access is not None:
            target = self._take(id(sys._getframe(1)))
            if target is not None:
                self._tell(READ, target, key)
        return key

    def write_key(self, key: Any) -> Any:
        if tell.access is not None:
            target = self._take(id(sys._getframe(1)))
            if target is not None:
                self._tell(WRITE, target, key)
        return key

    def delete_key(self, key: Any) -> Any:
        if tell.access is not None:
            target = self._take(id(sys._getframe(1)))
            if target is not None:
                self.delete(target, key)
        return key

    def update_key(self, key: Any) -> Any:
        if tell.access is not None:
            frame = id(sys._getframe(1))
            target = self._take(frame)
            if target is not None:
                self._tell(READ, target, key)
                self._put(frame, (target, key))
        return key

    def scan(self, target: Any) -> Any:
        """A slice is read, or a membership asked that only a scan can answer."""
        if tell.access is not None:
            found = traits(type(target))
            if found is not None and found.base is not object:
                tell.access(SCAN, target, None, self)
        return target

    def reshape(self, target: Any) -> Any:
        """A slice is stored or deleted."""
        if tell.access is not None:
            found = traits(type(target))
            if found is not None and found.base is not object:
                tell.access(RESHAPE, target, None, self)
        return target

    def contains(self, target: Any, key: Any) -> Any:
        if tell.access is not None:
            found = traits(type(target))
            if found is not None:
                keyed = found.base in (dict, set)
                tell.access(READ if keyed else SCAN, target, key if keyed else None, self)
        return target

    def _tell(self, kind: int, target: Any, key: Any) -> None:
        found = traits(type(target))
        if found is None:
            return
        if found.base is not dict:
            if type(key) is int:
                key = key + len(target) if key < 0 else key
            elif found.base is object:
                # Parts of an array: which ones overlap is not worked out.
                if type(key) is not tuple or not all(type(index) is int for index in key):
                    return
            else:
                kind, key = (SCAN if kind == READ else RESHAPE), None
        elif kind == READ and getattr(found.cls, "__missing__", None) is not None:
            # A defaultdict stores what it did not find; asking it is no call of foreign code for
            # these types of keys.
            missing = type(key) in (str, int, bytes) and not dict.__contains__(target, key)
            if missing and getattr(target, "default_factory", None) is not None:
                kind = WRITE
        tell.access(kind, target, key, self)


class MethodSite(_Pending):
    """``object.method(...)`` by a name that the built-in containers have."""

    __slots__ = ()

    def on(self, target: Any) -> Any:
        """The key is not to be had."""
        if tell.access is not None:
            found = traits(type(target))
            if found is not None and self.name in found.methods:
                tell.access(found.methods[self.name], target, None, self)
        return target

    def on_keyed(self, target: Any) -> Any:
        """The first argument comes next, through `key`."""
        if tell.access is not None:
            found = traits(type(target))
            if found is not None and self.name in found.methods:
                if self.name in KEYED.get(found.base, ()):
                    self._put(id(sys._getframe(1)), target)
                else:
                    tell.access(found.methods[self.name], target, None, self)
        return target

    def key(self, key: Any) -> Any:
        if tell.access is not None:
            target = self._take(id(sys._getframe(1)))
            if target is not None:
                found = traits(type(target))
                if found is not None:
                    tell.access(found.methods[self.name], target, key, self)
        return key

    def on_later(self, target: Any) -> Any:
        """Arguments come first that take work; the last of them through `now`."""
        if tell.access is not None:
            found = traits(type(target))
            if found is not None and self.name in found.methods:
                self._put(id(sys._getframe(1)), (target, None))
        return target

    def key_first(self, key: Any) -> Any:
        """The key, after which another argument takes work."""
        if tell.access is not None:
            frame = id(sys._getframe(1))
            target = self._take(frame)
            if target is not None:
                self._put(frame, (target, key))
        return key

    def now(self, argument: Any) -> Any:
        """The last argument that took work."""
        if tell.access is not None:
            pair = self._take(id(sys._getframe(1)))
            if pair is not None:
                found = traits(type(pair[0]))
                if found is not None:
                    tell.access(found.methods[self.name], *pair, self)
        return argument


class ScanSite(Place):
    """Iteration, ``len()``, truth, and built-in functions that read all of something."""

    __slots__ = ()

    def scan(self, target: Any) -> Any:
        if tell.access is not None:
            if traits(type(target)) is not None:
                tell.access(SCAN, target, None, self)
            elif is_generator(target):
                tell.access(WRITE, target, None, self)
        return target

    def iterate(self, target: Any) -> Any:
        """What is gone over item by item: each one is told of, where a sink wants that."""
        if tell.access is None:
            return target
        if not tell.stepwise:
            return self.scan(target)
        looked_at, kind = target, SCAN
        if type(target) in _VIEWS:
            (looked_at,) = gc.get_referents(target)
        elif is_generator(target):
            kind = WRITE
        if kind == SCAN and traits(type(looked_at)) is None:
            return target
        tell.access(kind, looked_at, None, self)
        each = functools.partial(self._step, kind, looked_at)
        # All of it in C, so that no frame of this module is in a traceback.
        return map(_SECOND, zip(iter(each, _MISSING), target, strict=False))

    def _step(self, kind: int, target: Any) -> None:
        if tell.access is not None:
            tell.access(kind, target, None, self)

    def truth(self, target: Any) -> Any:
        if tell.access is not None and traits(type(target)) is not None:
            tell.access(SCAN, target, None, self)
        return target


class GlobalSite(Place):
    """A global name that some function of its module assigns."""

    __slots__ = ()

    def reads(self) -> bool:
        """True: the name comes after an ``and``."""
        if tell.access is not None:
            tell.access(READ, sys._getframe(1).f_globals, self.name, self)
        return True

    def storing(self, value: Any) -> Any:
        if tell.access is not None:
            tell.access(WRITE, sys._getframe(1).f_globals, self.name, self)
        return value


class Scope:
    """Stands for one call of a function whose variables inner functions assign."""

    __slots__ = ("__weakref__",)


class CellSite(Place):
    """A closure variable that some inner function declares ``nonlocal``."""

    __slots__ = ()

    def scope(self) -> Scope:
        return Scope()

    def reads(self, scope: Any) -> bool:
        """True: the name comes after an ``and``."""
        if tell.access is not None:
            tell.access(READ, scope, self.name, self)
        return True

    def storing(self, value: Any, scope: Any) -> Any:
        if tell.access is not None:
            tell.access(WRITE, scope, self.name, self)
        return value
