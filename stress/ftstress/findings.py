"""What every detector finds, in one form, and the report of a run that holds it.

A race, a schedule that fails, a forbidden outcome and a history that no order explains are told by
different tools and read by the same people: formats, the command line and the pytest plugin know
only what is here. Must never import a detector, and nothing here runs anything.
"""

import linecache
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import PurePath
from typing import Any, Final, Literal, Self

type Kind = Literal[
    "data-race",
    "atomicity",
    "lock-order",
    "deadlock",
    "livelock",
    "schedule-failure",
    "forbidden-outcome",
    "not-linearizable",
    "invariant-broken",
    "crash",
    "gil-on",
]
type Grade = Literal["acceptable", "interesting", "forbidden"]

# Kind -> what it is called, and what it means in one sentence.
KINDS: Final[dict[Kind, tuple[str, str]]] = {
    "data-race": (
        "Data race",
        "Two threads access the same thing, one of them changes it, and nothing orders the two.",
    ),
    "atomicity": (
        "Atomicity violation",
        "Steps that belong together are each protected, but another thread can come in between.",
    ),
    "lock-order": (
        "Lock order",
        "Locks are taken in opposite orders; threads that do so at the same time deadlock.",
    ),
    "deadlock": ("Deadlock", "Threads wait for each other, and none can go on."),
    "livelock": ("Livelock", "Threads go on without end and get nowhere."),
    "schedule-failure": (
        "Failing schedule",
        "The test fails when its threads take turns in this order.",
    ),
    "forbidden-outcome": (
        "Forbidden outcome",
        "Threads that ran at the same time produced a result that the author rules out.",
    ),
    "not-linearizable": (
        "Not linearizable",
        "No order of the calls, one at a time, explains what they returned.",
    ),
    "invariant-broken": (
        "Broken invariant",
        "A condition that its author says always holds did not.",
    ),
    "crash": ("Failure", "Code that ran in parallel raised an exception or did not end."),
    "gil-on": (
        "GIL on",
        "Threads did not run in parallel, so that a run without findings shows nothing.",
    ),
}


@dataclass(frozen=True, slots=True)
class Location:
    """A line of source.

    Args:
        file: as the interpreter knows it; line: from 1, 0 where there is none.
        function: qualified name, "" outside of any or where it is not known.
        code: the source line, without what surrounds it; column: in characters from 0.
    """

    file: str
    line: int
    function: str = ""
    code: str = ""
    column: int = 0

    @classmethod
    def at(cls, file: str, line: int, function: str = "", column: int = 0) -> Self:
        """A place whose source line is read from the file."""
        return cls(file, line, function, linecache.getline(file, line).strip(), column)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where} in {self.function}" if self.function else where


@dataclass(frozen=True, slots=True)
class Side:
    """What one thread did that is part of a finding.

    Args:
        thread: its name.
        action: a clause without subject: "writes it", "waits for the Lock of bank.py:7".
        stack: where it was, innermost first; the first is the place itself. May be empty.
        locks: held meanwhile, each as its owner would recognise it ("Lock made at bank.py:7").
        started_by: name of the thread that started it, "" where that is not known.
    """

    thread: str
    action: str
    stack: tuple[Location, ...] = ()
    locks: tuple[str, ...] = ()
    started_by: str = ""
    started_at: Location | None = None

    @property
    def location(self) -> Location | None:
        """The innermost place; None where nothing is known."""
        return self.stack[0] if self.stack else None


@dataclass(frozen=True, slots=True)
class TableRow:
    """One step of a schedule.

    Args:
        column: which thread, from 0.
        location: None for what has no line of its own, such as the end of a thread.
        text: the source; notes: remarks to go below it.
        switches: another thread goes on here although this one could.
    """

    column: int
    location: Location | None
    text: str
    notes: tuple[str, ...] = ()
    switches: bool = False

    @property
    def where(self) -> str:
        """Last component of the file's name, and line."""
        place = self.location
        return f"{PurePath(place.file).name}:{place.line}" if place is not None else ""


@dataclass(frozen=True, slots=True)
class ScheduleTable:
    """A run, one column a thread and one row a step, and how it ended."""

    threads: tuple[str, ...]
    rows: tuple[TableRow, ...]
    ending: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Args:
        kind: of `KINDS`.
        subject: what it is about, short: "attribute 'count' of a Box", "Store.open".
        message: what happened, in a sentence.
        sides: the threads that have a part in it.
        explanation: why that is wrong. mend: what usually mends it.
        count: how often it was seen.
        order: the last thing that orders the threads, or what is missing; "" where that is no
            question.
        text: the detector's own full text, where it says more than the other fields; several lines.
        table: the steps of a schedule.
        replay: command that makes it happen again, "" where there is none.
        schedule: the saved schedule (a file's text) that `replay` is about.
        seed: of the run that found it; None where none was drawn.
        benign: the reason somebody gave for leaving it; "" for a finding that counts.
    """

    kind: Kind
    subject: str
    message: str
    sides: tuple[Side, ...] = ()
    explanation: str = ""
    mend: str = ""
    count: int = 1
    order: str = ""
    text: str = ""
    table: ScheduleTable | None = None
    replay: str = ""
    schedule: str = ""
    seed: int | None = None
    benign: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")

    @property
    def title(self) -> str:
        """The kind and the subject."""
        return f"{KINDS[self.kind][0]}: {self.subject}"

    @property
    def locations(self) -> tuple[Location, ...]:
        """The innermost place of each side that has one."""
        return tuple(side.stack[0] for side in self.sides if side.stack)

    @property
    def fingerprint(self) -> str:
        """The same for the same mistake, in other runs and after an edit elsewhere in the file.

        Made of the kind and, for each place, the last component of the file's name, the function
        and the source line (not its number); of the subject where there is no place.
        """
        places = sorted(
            f"{PurePath(place.file).name}\0{place.function}\0{place.code or place.line}"
            for place in self.locations
        )
        parts = [self.kind, *(dict.fromkeys(places) or [self.subject])]
        return sha256("\1".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One outcome of a test in which threads run in parallel, and how often it came.

    Args:
        outcome: as the test shows it, "1, 0".
        twin_count: on the other build; None where the test was not run there.
    """

    outcome: str
    grade: Grade
    meaning: str
    count: int
    twin_count: int | None = None


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """The outcomes of one test on this build and on its twin with (or without) a GIL."""

    name: str
    rows: tuple[OutcomeRow, ...]

    @property
    def total(self) -> int:
        """Runs on this build."""
        return sum(row.count for row in self.rows)

    @property
    def twin_total(self) -> int | None:
        """Runs on the other build; None where there were none."""
        counts = [row.twin_count for row in self.rows if row.twin_count is not None]
        return sum(counts) if counts else None


@dataclass(frozen=True, slots=True)
class Measurement:
    """How fast something ran: median, lowest and highest of several interleaved runs.

    Args:
        name: of the suite; label: of this variant ("free-threaded, 2 threads").
        gil: whether it was on; unit: what `median` counts ("operations/s").
    """

    name: str
    label: str
    gil: bool
    threads: int
    median: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True)
class Explored:
    """What one part of a run looked at.

    Args:
        what: the test, program or suite.
        how: detector or strategy, with its parameters and what it promises.
        seconds: of wall time.
        runs: executions of the whole; operations: calls, accesses or steps, named by `unit`.
        threads: most at once.
        seeds: that were drawn; `is_complete`: all there is within the bounds was run.
        modules: that were instrumented or watched.
    """

    what: str
    how: str
    seconds: float
    runs: int = 1
    operations: int = 0
    unit: str = "operations"
    distinct: int | None = None
    threads: int = 0
    seeds: tuple[int, ...] = ()
    is_complete: bool = False
    modules: tuple[str, ...] = ()

    def __str__(self) -> str:
        speed = self.runs / self.seconds if self.seconds > 0 else 0.0
        parts = [f"{self.runs:,} {'run' if self.runs == 1 else 'runs'}"]
        if self.distinct is not None:
            parts.append(f"{self.distinct:,} distinct")
        if self.runs > 1 and speed >= 1:
            parts.append(f"{speed:,.0f}/s")
        if self.operations:
            parts.append(f"{self.operations:,} {self.unit}")
        if self.threads:
            parts.append(f"{self.threads} threads")
        if self.seeds:
            parts.append(f"seeds {', '.join(map(str, self.seeds))}")
        if self.modules:
            count = len(self.modules)
            parts.append(f"{count} module{'s' if count > 1 else ''}")
        parts.append(f"{self.seconds:.1f} s")
        return f"{self.what}: {'; '.join(parts)} ({self.how})"


def gil_enabled() -> bool:
    """Whether this process runs one thread at a time now."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


@dataclass(frozen=True, slots=True)
class Build:
    """The interpreter a run was made with. `gil`: whether it was on at the end."""

    implementation: str
    version: str
    free_threaded: bool
    gil: bool
    system: str

    @classmethod
    def this(cls) -> Self:
        """The interpreter that runs this, as it is now."""
        return cls(
            platform.python_implementation(),
            platform.python_version(),
            "free-threading" in sys.version,
            gil_enabled(),
            f"{platform.system()} {platform.machine()}",
        )

    def __str__(self) -> str:
        kind = "free-threaded" if self.free_threaded else "with GIL"
        state = ", GIL switched on" if self.free_threaded and self.gil else ""
        return f"{self.implementation} {self.version} {kind}{state}, {self.system}"


@dataclass(frozen=True, slots=True)
class Report:
    """All that came of a run.

    Args:
        title: what was tested, as the user named it.
        doubts: why the run would be no pass even without findings; empty where it may be one.
        not_proved: what a pass of these detectors does not mean; at least one sentence.
        benign: findings for which somebody has given a reason.
        notes: what there is to say besides, a line each.
    """

    title: str
    findings: tuple[Finding, ...]
    explored: tuple[Explored, ...]
    not_proved: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    benign: tuple[Finding, ...] = ()
    outcomes: tuple[OutcomeTable, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    notes: tuple[str, ...] = ()
    build: Build = field(default_factory=Build.this)

    def __post_init__(self) -> None:
        if not self.not_proved:
            raise ValueError("a report must say what a pass does not mean: not_proved is empty")

    @property
    def status(self) -> int:
        """For CI: 0 passed, 1 findings, 2 the run proves nothing."""
        return 1 if self.findings else 2 if self.doubts else 0

    @property
    def seconds(self) -> float:
        """Of wall time, all parts together."""
        return sum(part.seconds for part in self.explored)

    def data(self) -> dict[str, Any]:
        """All of it as what JSON can hold."""
        return {
            "status": self.status,
            **asdict(self),
            "findings": [finding_data(finding) for finding in self.findings],
            "benign": [finding_data(finding) for finding in self.benign],
        }


def finding_data(finding: Finding) -> dict[str, Any]:
    """A finding as what JSON can hold, with what is derived from its fields."""
    return {"fingerprint": finding.fingerprint, "title": finding.title, **asdict(finding)}


def deduplicated(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One for each fingerprint, the first that came, with the counts of all."""
    found: dict[str, Finding] = {}
    for finding in findings:
        print_ = finding.fingerprint
        if print_ in found:
            first = found[print_]
            found[print_] = replace(first, count=first.count + finding.count)
        else:
            found[print_] = finding
    return tuple(found.values())


def joined(title: str, reports: Iterable[Report]) -> Report:
    """One report of several runs: the same findings are one, the same doubts are told once.

    Raises ValueError where there are none.
    """
    parts = list(reports)
    if not parts:
        raise ValueError("no reports to join")
    return Report(
        title,
        deduplicated(finding for part in parts for finding in part.findings),
        tuple(explored for part in parts for explored in part.explored),
        tuple(dict.fromkeys(text for part in parts for text in part.not_proved)),
        tuple(dict.fromkeys(text for part in parts for text in part.doubts)),
        deduplicated(finding for part in parts for finding in part.benign),
        tuple(table for part in parts for table in part.outcomes),
        tuple(each for part in parts for each in part.measurements),
        tuple(note for part in parts for note in part.notes),
        parts[-1].build,
    )
