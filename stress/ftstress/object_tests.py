"""What an object test declares, and the recording of one run of its calls.

**Stamps.** A call is stamped before and a return after it, with `time.perf_counter_ns`: on Linux
CLOCK_MONOTONIC, which never goes back, on whatever core it is read. The interval recorded is never
shorter than the real one, so that what is recorded as "before" was before; equal stamps count as
concurrent. A shared counter would be exact too, but each thread would wait for the others at each
stamp (its lock, or the line of memory it is in), and would be ordered by it: the very races that
are looked for would go away. Under a schedule only one thread runs at a time, and a counter is
used.

Must never start a thread.
"""

import inspect
import random
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ftstress.linearizability import Operation
from ftstress.sequential import Sequential

type Generator = Callable[[random.Random], object]
type Script = tuple[tuple["Call", ...], ...]  # one tuple of calls for each thread

_GENERATORS: Final = "_ftstress_generators"


class ObjectTestError(ValueError):
    """A test that cannot be run as it is written."""


def integers(low: int, high: int) -> Generator:
    """An argument between `low` and `high`, both included."""
    return lambda source: source.randint(low, high)


def choice(*values: object) -> Generator:
    """One of the values as an argument."""
    return lambda source: source.choice(values)


def operation[F: Callable[..., object]](**generators: Generator) -> Callable[[F], F]:
    """Mark a method that threads call at random; one generator for each of its parameters.

    A generator is a function from a `random.Random` to a value.
    """

    def mark(method: F) -> F:
        setattr(method, _GENERATORS, generators)
        return method

    return mark


class ObjectTest:
    """A test of one object. An instance holds the object under test; ``__init__`` makes it.

    A method marked `@operation` calls the object and returns what is to be compared with the model.
    An exception counts by its type. The model is a class with methods of the same names and
    parameters, which may hold plain values only; a method raises `NotYet` where the operation has
    to wait.

    Args:
        model: the sequential model.
        partition_by: parameter of every operation that names an independent part, such as the
            key of a dictionary; "" for none. The model is then made anew for each part.
        threads, length: threads, and operations of each, in a history.
        modules: whose code is switched in as well under a schedule, such as the object's own.
    """

    model: ClassVar[Callable[[], object] | None] = None
    partition_by: ClassVar[str] = ""
    threads: ClassVar[int] = 3
    length: ClassVar[int] = 3
    modules: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One operation that a thread is to call."""

    name: str
    arguments: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Plan:
    """A test's parts, checked."""

    test: type[ObjectTest]
    name: str
    summary: str
    operations: tuple[tuple[str, tuple[Generator, ...], int], ...]  # name, arguments, key's place
    spec: Sequential

    def script(self, source: random.Random) -> Script:
        """What each thread is to do, at random."""
        return tuple(
            tuple(self._call(source) for _ in range(self.test.length))
            for _ in range(self.test.threads)
        )

    def _call(self, source: random.Random) -> Call:
        name, generators, _ = source.choice(self.operations)
        return Call(name, tuple(generator(source) for generator in generators))

    def key(self, call: Call) -> Hashable:
        """Which part the call works on; None: on the whole."""
        for name, _, place in self.operations:
            if name == call.name and place >= 0:
                key = call.arguments[place]
                assert isinstance(key, Hashable)
                return key
        return None


def planned(test: type[ObjectTest]) -> Plan:
    """Take a test apart. Raises ObjectTestError: what is missing, and where."""
    name = test.__qualname__
    found: dict[str, dict[str, Generator]] = {}
    for cls in reversed(test.__mro__):
        for each, member in vars(cls).items():
            if hasattr(member, _GENERATORS):
                found[each] = getattr(member, _GENERATORS)
    if not found:
        raise ObjectTestError(f"{name} has no operations: mark methods with @operation()")
    if test.model is None:
        raise ObjectTestError(f"{name} has no model: set `model` to a class with the same methods")
    if test.threads < 2 or test.length < 1:
        raise ObjectTestError(
            f"{name} needs at least 2 threads with 1 operation each, "
            f"got threads={test.threads!r}, length={test.length!r}"
        )
    operations = []
    for each, generators in found.items():
        parameters = list(inspect.signature(getattr(test, each)).parameters)[1:]
        if set(parameters) != set(generators):
            raise ObjectTestError(
                f"{name}.{each} takes {parameters}, and has generators for {list(generators)}"
            )
        if not hasattr(test.model, each):
            raise ObjectTestError(f"the model of {name} has no method {each!r}")
        if test.partition_by and test.partition_by not in parameters:
            raise ObjectTestError(
                f"{name}.{each} has no parameter {test.partition_by!r} to partition by; where one "
                "operation is about the whole, there are no independent parts"
            )
        place = parameters.index(test.partition_by) if test.partition_by else -1
        operations.append((each, tuple(generators[one] for one in parameters), place))
    summary = (inspect.getdoc(test) or "").partition("\n")[0] if test.__doc__ else ""
    return Plan(test, name, summary, tuple(operations), Sequential(test.model))


class Recording:
    """One run of a script: the object, and what each thread did to it and when."""

    __slots__ = ("_subject", "_told", "clock", "script")

    def __init__(self, plan: Plan, script: Script, clock: Callable[[], int]) -> None:
        self._subject = plan.test()
        self.script = script
        self.clock = clock
        # Each thread writes to its own list.
        self._told: list[list[list[Any]]] = [[] for _ in script]

    def play(self, thread: int) -> None:
        """Make one thread's calls."""
        told, clock, subject = self._told[thread], self.clock, self._subject
        for call in self.script[thread]:
            method = getattr(subject, call.name)
            entry = [call, None, 0, None]
            entry[2] = clock()
            told.append(entry)
            try:
                result = method(*call.arguments)
            except Exception as error:  # noqa: BLE001  # a result like any other
                result = type(error)
            except BaseException:  # noqa: BLE001  # the thread dies; nobody knows what came of it
                return
            entry[3] = clock()
            entry[1] = result

    def history(self, plan: Plan, *, is_stuck: bool = False) -> tuple[Operation, ...]:
        """What was recorded, in the order of the calls.

        Args:
            is_stuck: threads still run, and will for ever; else who has not returned has died.
        """
        found = [
            Operation(
                thread,
                call.name,
                call.arguments,
                result,
                invoked,
                returned,
                plan.key(call),
                is_stuck and returned is None,
            )
            for thread, told in enumerate(self._told)
            for call, result, invoked, returned in map(tuple, told)
        ]
        return tuple(sorted(found, key=lambda each: each.invoked))


def smaller(script: Script) -> Iterator[Script]:
    """Each script with one call less."""
    for thread, calls in enumerate(script):
        for place in range(len(calls)):
            rest = (*calls[:place], *calls[place + 1 :])
            yield (*script[:thread], rest, *script[thread + 1 :])
