"""What-if: chosen locks are made slower on purpose, to see which of them the program waits for.

A lock that takes much time need not cost any: what it delays may not be what the program waits
for. So the question is put to the program itself, as causal profiling does (Curtsinger and Berger,
"Coz: Finding Code that Counts with Causal Profiling", SOSP 2015): slow one lock down, in windows of
time that alternate with undisturbed ones, and look at what is done meanwhile. Coz speeds code up
virtually, by slowing down all else; here the lock itself is slowed down, for real.
`ftlocks.profiler.experiment` runs the windows. Must never touch a lock that nobody asked about.
"""

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase
from time import perf_counter_ns as clock
from typing import Final, NamedTuple

from ftlocks._hooks import Observer
from ftlocks._records import LockInfo
from ftlocks._sites import short
from ftlocks.counter import ShardedCounter
from ftlocks.profiler.times import seconds

# A mistyped unit should not stop the program for minutes.
LONGEST_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Injection:
    """Extra time for a lock, to see what it costs the program.

    The extra time is computed away, not slept: the thread is as busy as if the code before the
    lock, or inside it, took so much longer.

    Args:
        lock: its name, or the place where it was made, as a profile names it ("ledger", "Lock made
            at bank.py:12", "bank.py:12"), or a pattern of these with ``*`` and ``?``.
        delay: seconds before each outermost attempt to take it, also one that fails: a slower way
            to the lock, that makes nobody else wait.
        hold: seconds after each outermost acquisition, with the lock held. Coming back from a
            `Condition.wait()` is an acquisition.

    Raises:
        ValueError: not exactly one of `delay` and `hold` is given, or it is not above 0 and up to
            10 s.
    """

    lock: str
    _: KW_ONLY
    delay: float = 0.0
    hold: float = 0.0

    def __post_init__(self) -> None:
        if bool(self.delay) == bool(self.hold):
            raise ValueError(
                f"an injection into {self.lock!r} needs either delay= or hold=, "
                f"got delay={self.delay!r} and hold={self.hold!r}"
            )
        if not self.lock:
            raise ValueError("an injection needs the name of a lock, or a pattern")
        time = self.delay or self.hold
        if not 0 < time <= LONGEST_SECONDS:
            raise ValueError(
                f"the time to inject into {self.lock!r} must be above 0 and at most "
                f"{LONGEST_SECONDS:g} s, got {time!r}"
            )

    @property
    def kind(self) -> str:
        """ "delay" or "hold"."""
        return "delay" if self.delay else "hold"

    @property
    def asked_ns(self) -> int:
        """The extra time in nanoseconds."""
        return round((self.delay or self.hold) * 1e9)


class Progress(NamedTuple):
    """What the program gets done, for a what-if to look at.

    Args:
        unit: what is counted, in the plural ("orders").
        done: returns how many there have been so far; called a few times a second, on a thread of
            the profile's.
    """

    unit: str
    done: Callable[[], int]


def injection(text: str, kind: str) -> Injection:
    """``LOCK=TIME`` of a command line, with `kind` "delay" or "hold"; `ValueError` otherwise."""
    lock, equals, time = text.rpartition("=")
    if not equals or not lock:
        raise ValueError(f"cannot read {text!r}: write LOCK=TIME, such as ledger=50us")
    value = seconds(time)
    return Injection(lock, delay=value) if kind == "delay" else Injection(lock, hold=value)


class Target:
    """An injection, the locks that it has found so far, and what was injected."""

    __slots__ = ("acquisitions", "asked", "delay_ns", "hold_ns", "labels", "spent_ns", "times")

    def __init__(self, asked: Injection) -> None:
        self.asked = asked
        self.delay_ns = asked.asked_ns if asked.kind == "delay" else 0
        self.hold_ns = asked.asked_ns if asked.kind == "hold" else 0
        self.labels: dict[str, None] = {}
        self.acquisitions = ShardedCounter()
        self.times = ShardedCounter()
        self.spent_ns = ShardedCounter()

    def matches(self, lock: LockInfo) -> bool:
        """Whether the injection is about this lock."""
        path, line = lock.site
        known_as = (lock.label, lock.name, f"{short(path)}:{line}", f"{path}:{line}")
        wanted = self.asked.lock
        # As it is written first: a name may have brackets in it.
        return wanted in known_as or any(fnmatchcase(each, wanted) for each in known_as)

    def spend(self, ns: int) -> None:
        """Let the calling thread be busy for so long."""
        began = clock()
        until = began + ns
        while (now := clock()) < until:
            pass
        self.times.add()
        self.spent_ns.add(now - began)


class Injector(Observer):
    """Counts the acquisitions of the locks in question, and slows one of them down at a time."""

    def __init__(self, injections: Iterable[Injection]) -> None:
        self.targets = tuple(Target(each) for each in injections)
        self._now: Target | None = None
        # By class; with a lock of each, so that its code, of which the key has the id, stays.
        self._found: dict[tuple[str, str, int, int], tuple[LockInfo, tuple[Target, ...]]] = {}

    def turn_to(self, target: Target | None) -> None:
        """Inject into the locks of `target` from now on, and into no other's."""
        self._now = target

    def concerns(self, lock: LockInfo) -> bool:
        return bool(self._targets_of(lock))

    def _targets_of(self, lock: LockInfo) -> tuple[Target, ...]:
        key = lock.class_key
        if key in self._found:
            return self._found[key][1]
        found = tuple(target for target in self.targets if target.matches(lock))
        for target in found:
            target.labels[lock.label] = None
        self._found[key] = (lock, found)
        return found

    def taking(self, lock: LockInfo, mode: str, blocking: bool, key: object) -> None:
        target = self._now
        if target is not None and target.delay_ns and target in self._targets_of(lock):
            target.spend(target.delay_ns)

    def taken(self, lock: LockInfo, mode: str, key: object) -> None:
        now = self._now
        for target in self._targets_of(lock):
            target.acquisitions.add()
            if target is now and target.hold_ns:
                target.spend(target.hold_ns)
