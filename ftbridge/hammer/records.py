"""What was called and what came of it, which invariants read; what is served, and what was seen.

Plain data that travels between the two processes. Must never import the client or an adapter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from ftstress.findings import Finding
from ftstress.suppressions import Suppression


@dataclass(frozen=True, slots=True)
class Call:
    """One call that has ended.

    Args:
        tool: its name; arguments: as they were sent.
        session: its id; "" for a call without one.
        value: what it returned; a stream's chunks as a list. None where it failed.
        error: class name of what the tool raised, or of the status the call ended with; None where
            it succeeded.
        message: of the error.
        stream: it was called as a stream; complete: the stream was read to its end.
        thread: number of the thread that made it, and `number` of the call on that thread.
    """

    tool: str
    arguments: Mapping[str, object]
    session: str = ""
    value: object = None
    error: str | None = None
    message: str = ""
    stream: bool = False
    complete: bool = True
    thread: int = 0
    number: int = 0

    @property
    def ok(self) -> bool:
        """Whether it returned what it was to return; of any other it is not known what it did."""
        return self.error is None and self.complete

    def __str__(self) -> str:
        words = ", ".join(f"{name}={shortened(value)}" for name, value in self.arguments.items())
        ended = self.error or shortened(self.value)
        return f"{self.tool}({words}) -> {ended}{f': {self.message}' if self.message else ''}"


def shortened(value: object, limit: int = 60) -> str:
    """A value in a report."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


@dataclass(frozen=True, slots=True)
class Values:
    """One parameter and what may be sent for it."""

    name: str
    required: bool
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class ToolCases:
    """A tool and the arguments to call it with.

    Args:
        examples: whole sets of arguments that the author names; where there are any, no others
            are made up.
        deterministic: the author says that equal arguments give equal results, whatever else runs.
        expected: class names of errors that are an answer like any other.
    """

    name: str
    parameters: tuple[Values, ...] = ()
    examples: tuple[Mapping[str, object], ...] = ()
    streams: bool = False
    only_streams: bool = False
    deterministic: bool = False
    expected: frozenset[str] = field(default_factory=frozenset)

    def draw(self, random: Random) -> dict[str, object]:
        """Arguments for one call."""
        if self.examples:
            return dict(random.choice(self.examples))
        return {
            parameter.name: random.choice(parameter.values)
            for parameter in self.parameters
            if parameter.values and (parameter.required or random.random() < 0.6)
        }

    def first(self, count: int) -> list[dict[str, object]]:
        """The first of each value, then the second, and so on: every value once, if there is room.

        These are called alone, before anything runs in parallel.
        """
        if self.examples:
            return [dict(example) for example in self.examples[:count]]
        longest = max((len(p.values) for p in self.parameters), default=0)
        found: list[dict[str, object]] = [
            {p.name: p.values[0] for p in self.parameters if p.required and p.values}
        ]
        for index in range(longest):
            arguments = {
                p.name: p.values[index % len(p.values)] for p in self.parameters if p.values
            }
            if arguments not in found:
                found.append(arguments)
        return found[:count]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be served. `detect`: with the race detector; patterns: modules to look into."""

    spec: str
    seed: int
    serialize: bool = False
    detect: bool = True
    patterns: tuple[str, ...] = ()
    suppressed: tuple[Suppression, ...] = ()
    config: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """The server is there: where, what it offers, what its author checks."""

    port: int
    cases: tuple[ToolCases, ...] = ()
    invariants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """What the process has seen; `benign` are races that somebody has given a reason for."""

    races: tuple[Finding, ...]
    benign: tuple[Finding, ...]
    accesses: int
    threads: int
    instrumented: tuple[str, ...]
    doubts: tuple[str, ...]
    setups: int
    teardowns: int
