"""What a schedule is made of: threads as a run knows them, their steps, choices and failures.

Must never run anything.
"""

from _thread import allocate_lock
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from ftstress.places import NO_LINE, Place, Site

type TaskId = tuple[int, ...]
type Reason = Literal["point", "blocked", "ended"]
# When a wait with a timeout may run out: only when nothing else can happen, or at any moment, as
# if the others were arbitrarily slow.
type Timeouts = Literal["idle", "any"]

MAIN: Final[TaskId] = ()
_NOWHERE: Final = Site(Place("", "", NO_LINE, ""), "", 0)


def task_name(task: TaskId) -> str:
    """``main``, ``main.1``, ``main.1.2``: by who started whom, the same in every schedule."""
    return ".".join(["main", *(str(number) for number in task)])


def task_id(name: str) -> TaskId:
    """The reverse of `task_name`. ValueError for anything else."""
    first, *rest = name.split(".")
    if first != "main" or not all(part.isdecimal() for part in rest):
        raise ValueError(f"not the name of a thread in a schedule: {name!r}")
    return tuple(int(part) for part in rest)


class Aborted(BaseException):
    """Unwinds a controlled thread whose run is over. Not to be caught."""


class Wait:
    """What a thread waits for: `ready` says whether it may go on."""

    __slots__ = ("_what", "deadline_ns", "ready", "thing")

    def __init__(
        self,
        ready: Callable[[], bool],
        deadline_ns: int | None,
        what: str | Callable[[], str],
        thing: object,
    ) -> None:
        self.ready = ready
        self.deadline_ns = deadline_ns
        self._what = what
        self.thing = thing

    @property
    def what(self) -> str:
        """As messages name it; who holds a lock may change while one waits for it."""
        return self._what if isinstance(self._what, str) else self._what()


class Redundant(Exception):  # noqa: N818  # no error: the rest of the run is known
    """Raised by a chooser: whatever comes now has been seen in an earlier run."""


class Task:
    """One controlled thread."""

    __slots__ = (
        "aborts",
        "arrived",
        "born",
        "children",
        "daemon",
        "ended",
        "gate",
        "id",
        "ident",
        "inside",
        "is_done",
        "line",
        "site",
        "title",
        "turns",
        "visits",
        "wait",
    )

    def __init__(self, identity: TaskId, title: str, daemon: bool) -> None:
        self.id = identity
        self.title = title
        self.daemon = daemon
        self.children = 0
        self.born = 0  # in which stretch of the run it was started
        self.site = _NOWHERE
        self.line: tuple[object, object] = (None, None)  # where it is, for places by line
        self.turns = (0, 0)  # of loops without a step: after which step, and how many
        self.visits: dict[object, int] = {}
        self.wait: Wait | None = None
        self.is_done = False
        self.ident = 0  # the thread's, once it runs
        self.inside = False  # in the scheduler: a finalizer that runs there is no step
        self.aborts = 0
        self.gate = closed_gate()
        self.arrived = closed_gate()
        self.ended = closed_gate()

    @property
    def name(self) -> str:
        return task_name(self.id)


def closed_gate() -> Any:
    """A lock that is held: whoever takes it sleeps until it is released."""
    lock = allocate_lock()
    lock.acquire()
    return lock


@dataclass(frozen=True, slots=True)
class Choice:
    """What a strategy is asked: which of `enabled`, in the order of their ids, goes on.

    Args:
        current: who has been running; None when it cannot go on, or has had its share (`spinning`).
        visit: how many times `current` has come to `site`, from 1.
    """

    enabled: tuple[TaskId, ...]
    current: TaskId | None
    spinning: TaskId | None

    @property
    def default(self) -> TaskId:
        """Without a reason to switch: go on, or whoever comes first."""
        return self.enabled[0] if self.current is None else self.current


class Chooser(Protocol):
    """The part of a strategy that a run needs."""

    def choose(self, choice: Choice, step: "Step") -> TaskId:
        """One of `choice.enabled`. `step.chosen` is not known yet.

        One that has a method `attach(run)` is given each run before it begins, is asked also where
        only one thread can go on, and finds in `run.effects` what each stretch has done.
        """


class Step:
    """One thing that happened: `task` came to `site`, was blocked there, or ended; who went on."""

    __slots__ = ("chosen", "default", "enabled", "reason", "site", "task", "visit", "wait")

    def __init__(self, task: Task, reason: Reason) -> None:
        self.task = task.id
        self.reason = reason
        self.site = task.site
        self.visit = 0
        self.enabled = 0
        self.default = task.id
        self.chosen = task.id
        self.wait = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a run went wrong.

    Args:
        kind: "exception", "deadlock", "livelock", or "race" for what only a detector sees.
        type: the exception's qualified name; else `kind`.
        thread: whose exception it was; "" for the others.
        message: with everything a person needs to know at once.
        trace: the exception's traceback, as text.
    """

    kind: str
    type: str
    thread: str
    message: str
    trace: str = ""

    @property
    def signature(self) -> tuple[str, str, str]:
        """What two runs must have in common to be the same failure."""
        return (self.kind, self.type, self.thread)

    def __str__(self) -> str:
        if self.kind == "exception":
            return f"{self.type} in {self.thread}: {self.message}"
        if self.kind == "race":
            return f"{self.type}: {self.message}"
        return f"{self.kind}: {self.message}"
