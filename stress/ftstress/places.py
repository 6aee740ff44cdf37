"""Where a schedule can change: places in the code under test, and which of them matter.

A place is named by file, function, line within the function and operation, never by an offset in
byte code or a line of the file: a saved schedule is to survive an edit elsewhere in the file and
another patch version of the interpreter. A line that touches nothing but local variables is no
place at all, since no other thread could tell whether a switch happened before or after it. Must
never import the scheduler.
"""

import dis
import linecache
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Final, Literal, NamedTuple

from ftstress import events
from ftstress.rewriting import is_rewritten, sites_of

type Granularity = Literal["line", "operation"]

# What a place without a line in the code under test has for an offset: a thread of the standard
# library's own, such as a worker of an executor that waits for work.
NO_LINE: Final = -1

# Instructions that read or write what other threads may share, with their name in a place.
_SHARED: Final = {
    "LOAD_ATTR": "load",
    "STORE_ATTR": "store",
    "DELETE_ATTR": "delete",
    "LOAD_GLOBAL": "load",
    "STORE_GLOBAL": "store",
    "LOAD_DEREF": "load",
    "STORE_DEREF": "store",
    "BINARY_SUBSCR": "item",
    "STORE_SUBSCR": "store item",
    "DELETE_SUBSCR": "delete item",
    "BINARY_SLICE": "slice",
    "STORE_SLICE": "store slice",
    "CONTAINS_OP": "contains",
    "FOR_ITER": "next",
    "CALL": "call",
    "CALL_KW": "call",
    "CALL_FUNCTION_EX": "call",
}
_NAMED: Final = frozenset(
    {
        *("LOAD_ATTR", "STORE_ATTR", "DELETE_ATTR", "LOAD_GLOBAL", "STORE_GLOBAL"),
        *("LOAD_DEREF", "STORE_DEREF"),
    }
)
# Instructions that certainly touch only the frame. Whatever is not listed counts as shared.
_LOCAL: Final = frozenset(
    {
        *(
            "CACHE",
            "COPY",
            "COPY_FREE_VARS",
            "END_FOR",
            "EXTENDED_ARG",
            "MAKE_CELL",
            "NOP",
            "RESUME",
        ),
        *("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_ASSERTION_ERROR", "LOAD_COMMON_CONSTANT"),
        *("JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_FORWARD", "NOT_TAKEN"),
        *("POP_JUMP_IF_FALSE", "POP_JUMP_IF_NONE", "POP_JUMP_IF_NOT_NONE", "POP_JUMP_IF_TRUE"),
        *("POP_EXCEPT", "POP_ITER", "POP_TOP", "PUSH_EXC_INFO", "PUSH_NULL", "SWAP"),
        *("RETURN_CONST", "RETURN_GENERATOR", "RETURN_VALUE", "RAISE_VARARGS", "RERAISE"),
        *("BUILD_LIST", "BUILD_MAP", "BUILD_SET", "BUILD_SLICE", "BUILD_STRING", "BUILD_TUPLE"),
        *("IS_OP", "MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE", "UNARY_NOT"),
    }
)


class Place(NamedTuple):
    """One point of a program, as a saved schedule names it.

    Args:
        file: last component of the file's name, or a module's name where `offset` is `NO_LINE`.
        function: qualified name.
        offset: lines from the function's first one, from 0.
        operation: "" for the beginning of the line; "store n", "Lock.acquire", "Queue.get".
    """

    file: str
    function: str
    offset: int
    operation: str

    def __str__(self) -> str:
        at = self.file if self.offset == NO_LINE else f"{self.file} {self.function}+{self.offset}"
        return f"{at} ({self.operation})" if self.operation else at


class Site(NamedTuple):
    """A place as it is in the source at hand; line 0 where there is none."""

    place: Place
    filename: str
    line: int

    @property
    def text(self) -> str:
        """The source line, without what surrounds it."""
        return linecache.getline(self.filename, self.line).strip() if self.line else ""


class CodeMap:
    """The places of a set of code objects."""

    def __init__(self, codes: Iterable[types.CodeType], granularity: Granularity) -> None:
        self.codes: dict[int, types.CodeType] = {id(code): code for code in codes}
        self.granularity = granularity
        self._sites: dict[tuple[int, int, str], Site] = {}
        self._rebound = set(_rebound(self.codes.values()))
        self._owners = {
            id(site): code
            for code in self.codes.values()
            if is_rewritten(code)
            for site in sites_of(code)
        }
        self._told: dict[tuple[int, int], Site] = {}
        # Per code object that was run: line and operation, by the offset of the instruction.
        self._read_codes: dict[int, dict[int, tuple[int, str]]] = {}

    def at(self, code: types.CodeType, offset: int) -> Site | None:
        """The place at an instruction; None where it is none."""
        try:
            places = self._read_codes[id(code)]
        except KeyError:
            places = self._read_codes[id(code)] = self._read(code)
        try:
            line, operation = places[offset]
        except KeyError:
            return None
        return self.site(code, line, operation)

    def of_event(self, kind: int, told: events.Place) -> Site | None:
        """The place of an access that rewritten code tells of; None where it is not watched."""
        key = (id(told), kind)
        try:
            return self._told[key]
        except KeyError:
            pass
        if id(told) not in self._owners:
            return None
        code = self._owners[id(told)]
        made = self._told[key] = self.site(code, told.line, _told_operation(kind, told))
        return made

    def site(self, code: types.CodeType, line: int, operation: str) -> Site:
        """The one `Site` for these."""
        key = (id(code), line, operation)
        try:
            return self._sites[key]
        except KeyError:
            place = Place(
                PurePath(code.co_filename).name,
                code.co_qualname,
                line - code.co_firstlineno,
                operation,
            )
            made = self._sites[key] = Site(place, code.co_filename, line)
            return made

    def calling(self, frame: types.FrameType | None, operation: str) -> Site:
        """The nearest line of the code under test that led to `frame`.

        `operation` gives way to the function of the standard library's that was called there:
        what a user knows is ``Queue.get``, not the lock inside.
        """
        package = __name__.partition(".")[0]
        called: types.CodeType | None = None
        module = ""
        while frame is not None:
            code = frame.f_code
            if id(code) in self.codes:
                if called is not None:
                    operation = called.co_qualname
                return self.site(code, frame.f_lineno, operation)
            name = str(frame.f_globals["__name__"]) if "__name__" in frame.f_globals else "?"
            if name.partition(".")[0] != package and code.co_name not in _THREAD_FRAMES:
                called, module = code, name
            frame = frame.f_back
        function = called.co_qualname if called is not None else ""
        return Site(Place(module or "interpreter", function, NO_LINE, operation), "", 0)

    def _read(self, code: types.CodeType) -> dict[int, tuple[int, str]]:
        places: dict[int, tuple[int, str]] = {}
        for line, instructions in _by_line(code):
            touching = [
                instruction
                for instruction in instructions
                if self._touches_shared(instruction) and not _binds_method(instruction)
            ]
            operations = [i for i in touching if i.opname in _SHARED]
            # The first operation stands for the beginning of the line: nothing comes before it
            # that anybody could notice.
            for instruction in (operations or touching)[:1]:
                places[instruction.offset] = (line, "")
            if self.granularity == "operation":
                for instruction in operations[1:]:
                    places[instruction.offset] = (line, _operation(instruction))
        return places

    def _touches_shared(self, instruction: dis.Instruction) -> bool:
        name = instruction.opname
        if name in _LOCAL or "_FAST" in name:
            return False
        if name == "LOAD_GLOBAL" or name.endswith("_DEREF"):
            return instruction.argval in self._rebound
        return True


# Functions between a thread's start and what it runs, which name nothing.
_THREAD_FRAMES: Final = frozenset({"_bootstrap", "_bootstrap_inner", "run"})


def _by_line(code: types.CodeType) -> Iterator[tuple[int, list[dis.Instruction]]]:
    """Stretches of instructions that belong to the same line."""
    line, stretch = code.co_firstlineno, list[dis.Instruction]()
    for instruction in dis.get_instructions(code):
        number = instruction.line_number
        if number is not None and (instruction.starts_line or number != line):
            yield line, stretch
            line, stretch = number, []
        stretch.append(instruction)
    yield line, stretch


def _operation(instruction: dis.Instruction) -> str:
    label = _SHARED[instruction.opname]
    if instruction.opname in _NAMED:
        return f"{label} {instruction.argval}"
    return label


def _told_operation(kind: int, told: events.Place) -> str:
    if told.space != events.ITEM:
        return f"{'load' if kind == events.READ else 'store'} {told.name}"
    if told.name:
        return told.name
    return {events.READ: "item", events.WRITE: "store item", events.SCAN: "scan"}.get(
        kind, events.KIND_NAMES[kind]
    )


def _binds_method(instruction: dis.Instruction) -> bool:
    """A method looked up only to be called: the call is what happens."""
    return instruction.opname == "LOAD_ATTR" and bool((instruction.arg or 0) & 1)


# A code object's instructions are at even offsets.
_REBINDING: Final = frozenset(
    dis.opmap[name] for name in ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF")
)


def _rebound(codes: Iterable[types.CodeType]) -> Iterator[str]:
    """Globals and closure variables that are assigned again once they are there."""
    once: set[str] = set()
    for code in codes:
        if _REBINDING.isdisjoint(code.co_code[::2]):
            continue
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                yield name
            elif instruction.opname in ("STORE_DEREF", "DELETE_DEREF"):
                if name in code.co_freevars or name in once:
                    yield name
                once.add(name)


def codes_of(*targets: types.ModuleType | object) -> list[types.CodeType]:
    """All code objects of functions: in modules (what is defined there), classes and functions."""
    return list(_all_of(targets)[0].values())


def functions_of(*targets: types.ModuleType | object) -> list[types.FunctionType]:
    """The functions themselves, without those that others make when they are called."""
    return _all_of(targets)[1]


def _all_of(
    targets: tuple[types.ModuleType | object, ...],
) -> tuple[dict[int, types.CodeType], list[types.FunctionType]]:
    found: dict[int, types.CodeType] = {}
    functions: list[types.FunctionType] = []
    seen: set[int] = set()
    for target in targets:
        if isinstance(target, types.ModuleType):
            for value in list(vars(target).values()):
                if getattr(value, "__module__", None) == target.__name__:
                    _collect(value, found, seen, functions)
        else:
            _collect(target, found, seen, functions)
    return found, functions


def _collect(
    value: object,
    found: dict[int, types.CodeType],
    seen: set[int],
    functions: list[types.FunctionType],
) -> None:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, types.CodeType):
        if value.co_filename.startswith("<"):
            return  # made by dataclasses and their like: there is no source to show
        found[id(value)] = value
        for constant in value.co_consts:
            if isinstance(constant, types.CodeType):
                _collect(constant, found, seen, functions)
    elif isinstance(value, type):
        for member in list(vars(value).values()):
            _collect(member, found, seen, functions)
    elif isinstance(value, property):
        for accessor in (value.fget, value.fset, value.fdel):
            _collect(accessor, found, seen, functions)
    elif isinstance(value, staticmethod | classmethod | types.MethodType):
        _collect(value.__func__, found, seen, functions)
    else:
        if isinstance(value, types.FunctionType):
            functions.append(value)
            _collect(value.__code__, found, seen, functions)
        wrapped = getattr(value, "__wrapped__", None)  # functools.wraps, lru_cache, contextmanager
        if wrapped is not None:
            _collect(wrapped, found, seen, functions)


def modules_named(names: Iterable[str]) -> list[types.ModuleType]:
    """Imported modules, by name or by ``package.*`` for a package with all that is loaded of it."""
    modules = []
    for name in names:
        if name.endswith(".*"):
            package = name.removesuffix(".*")
            matching = [
                n for n in sorted(sys.modules) if n == package or n.startswith(package + ".")
            ]
        else:
            matching = [name] if name in sys.modules else []
        if not matching:
            raise ValueError(f"modules: {name!r} is not imported; import it before exploring")
        modules += [sys.modules[match] for match in matching]
    return modules
