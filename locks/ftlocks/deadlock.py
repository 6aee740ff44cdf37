"""Finds threads that wait for each other for ever, says which, and can let one of them go.

It looks at who holds and who waits (`ftlocks.states()`) from a thread of its own, every few
seconds; nobody pays for it but by the owner that an observed lock keeps. A stack is noted by the
waiting thread itself, before it sleeps: on 3.13t no other thread can read a running one's frames
safely (`sys._current_frames` stops the world only while it collects the innermost ones).
Must never wait for a primitive of this package.
"""

import logging
import threading
from _thread import allocate_lock
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter_ns
from types import TracebackType
from typing import Final, Literal, Self

from ftlocks import _hooks, _outside
from ftlocks._hooks import Observer
from ftlocks._records import EXCLUSIVE, READ, WRITE, LockState, Waiter
from ftlocks._sites import Site
from ftlocks._stacks import DEPTH, written
from ftlocks._waitfor import Picture, Wait, behind, rings, stuck
from ftlocks.errors import DeadlockError
from ftlocks.statistics import owner_named

_log: Final = logging.getLogger("ftlocks.watchdog")

INTERVAL_SECONDS: Final = 5.0
LONG_HOLD_SECONDS: Final = 30.0
STARVATION_SECONDS: Final = 30.0

type Kind = Literal["deadlock", "possible deadlock", "long hold", "starvation"]


@dataclass(frozen=True, slots=True)
class BlockedThread:
    """A thread in a report.

    Args:
        waits_for: what, in words; "" for one that holds and does not wait.
        held_by: the threads that it needs, by name.
        holding: the locks that it has.
        seconds: for how long it has waited, or held.
        stack: where it waits, innermost first; None where it began before the watchdog.
    """

    name: str
    ident: int
    waits_for: str
    held_by: tuple[str, ...]
    holding: tuple[str, ...]
    seconds: float
    stack: Site | None = None

    def __str__(self) -> str:
        text = f"  thread {self.name!r} ({self.ident})"
        if self.holding:
            text += f" holds {', '.join(self.holding)}"
        if self.waits_for:
            text += " and" if self.holding else ""
            text += f" has waited {self.seconds:.1f} s for {self.waits_for}"
            if self.held_by:
                text += f", which is up to {_list(self.held_by)}"
        if self.stack:
            text += f":\n{written(self.stack, '    ')}"
        return text


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What a watchdog found; ``str()`` of it is what a person should read.

    Args:
        kind: "deadlock" is proved. "possible deadlock" has a thread in it that waits for a
            notification, and those whose code would give one are stuck behind it; another thread
            might. "long hold" and "starvation" went over their thresholds.
        threads: those that wait for each other, in that order; or the holders, or the waiting one.
        behind: names of further threads that wait for these.
        victim: name of the thread whose wait was ended, "" if none was.
    """

    kind: Kind
    summary: str
    threads: tuple[BlockedThread, ...]
    behind: tuple[str, ...] = ()
    victim: str = ""

    def __str__(self) -> str:
        lines = [f"{self.kind}: {self.summary}", *map(str, self.threads)]
        if self.behind:
            lines.append(f"  behind them: {_list(self.behind)}")
        if self.victim:
            lines.append(
                f"  broken by DeadlockError in thread {self.victim!r}, the last to begin waiting"
            )
        return "\n".join(lines)


class _Presence(Observer):
    """Has locks know their owners and threads note where they wait; is told of nothing."""

    owners = True
    site_depth = DEPTH


class Watchdog:
    """Looks for deadlocks; made by `watchdog`. `check()` looks at once, on the calling thread."""

    def __init__(
        self,
        *,
        interval: float,
        break_deadlocks: bool,
        long_hold: float | None,
        starvation: float | None,
        on_report: Callable[[WatchReport], object] | None,
        clock: Callable[[], int],
    ) -> None:
        if interval <= 0:
            raise ValueError(f"interval must be positive, got {interval!r} s")
        self._interval = interval
        self._break = break_deadlocks
        self._long_hold = long_hold
        self._starvation = starvation
        self._on_report = _log_report if on_report is None else on_report
        self._clock = clock
        self._presence = _Presence()
        self._thread: threading.Thread | None = None
        self._running = False
        self._wake = allocate_lock()  # held while the thread is to sleep
        self._checking = allocate_lock()  # guards those below
        self._told: list[frozenset[Waiter]] = []  # deadlocks that last
        self._holds: dict[object, tuple[int, int, bool]] = {}  # its token, since when, told of
        self._starving: dict[Waiter, tuple[int, bool]] = {}  # turns of the lock before, told of

    def start(self) -> Self:
        """Have locks note what is needed, and look at them every `interval` seconds."""
        with self._checking:
            if self._running:
                return self
            self._running = True
            _outside.install()
            _hooks.add_observer(self._presence, sample=1 << 20)
            self._wake = allocate_lock()
            self._wake.acquire()
            self._thread = threading.Thread(target=self._run, name="ftlocks-watchdog", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Look no more. More than once is no error."""
        with self._checking:
            if not self._running:
                return
            self._running = False
            _hooks.remove_observer(self._presence)
            _outside.uninstall()
            thread, self._thread = self._thread, None
            self._wake.release()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def check(self) -> list[WatchReport]:
        """Look now: what is new since the last look, after `on_report` has been told of each."""
        with self._checking:
            states = _hooks.states()
            waits, now = stuck(states)
            victims: list[tuple[Waiter, WatchReport]] = []
            reports = self._deadlocks(waits, now, victims)
            known = {waiter for members in self._told for waiter in members}
            reports += self._thresholds(states, known)
        for report in reports:
            self._on_report(report)
        for waiter, report in victims:  # last: the report shows the threads as they were
            waiter.interrupt(DeadlockError(report))
        return reports

    def _run(self) -> None:
        wake = self._wake
        while not wake.acquire(True, self._interval):
            try:
                self.check()
            except Exception:  # noqa: BLE001  on_report is anybody's; the next look may be well
                _log.exception("the lock watchdog could not report")

    def _deadlocks(
        self, waits: dict[int, Wait], now: Picture, victims: list[tuple[Waiter, WatchReport]]
    ) -> list[WatchReport]:
        found = []
        last: list[frozenset[Waiter]] = []
        for ring in rings(waits):
            members = frozenset(wait.waiter for wait in ring)
            last.append(members)
            if any(before <= members for before in self._told):
                continue
            certain = all(wait.certain for wait in ring)
            report = WatchReport(
                "deadlock" if certain else "possible deadlock",
                _ring_summary(ring),
                tuple(self._blocked(wait, now) for wait in ring),
                tuple(wait.waiter.thread.name for wait in behind(ring, waits)),
            )
            if self._break and certain:
                victim = _victim(ring)
                if victim is not None:
                    report = replace(report, victim=victim.thread.name)
                    victims.append((victim, report))
            found.append(report)
        self._told = last
        return found

    def _blocked(self, wait: Wait, now: Picture) -> BlockedThread:
        return BlockedThread(
            wait.waiter.thread.name,
            wait.ident,
            wait.what,
            tuple(_name(need) for need in sorted(wait.needs)),
            now.holding.get(wait.ident, ()),
            (self._clock() - wait.waiter.since_ns) / 1e9,
            wait.waiter.site,
        )

    def _thresholds(self, states: list[LockState], known: set[Waiter]) -> list[WatchReport]:
        """Holds and waits that went over their thresholds and are part of no deadlock."""
        now = self._clock()
        found: list[WatchReport] = []
        holds: dict[object, tuple[int, int, bool]] = {}
        starving: dict[Waiter, tuple[int, bool]] = {}
        for state in states:
            if not state.owners and not state.waiters:
                continue
            label = state.info.label if state.key is None else f"{state.info.label}[{state.key!r}]"
            for owner, token in zip(state.owners, state.holds, strict=False):
                which = (state.info.id, state.key, owner)
                since, told = now, False
                if which in self._holds and self._holds[which][0] == token:
                    _, since, told = self._holds[which]
                held = (now - since) / 1e9
                if self._long_hold is not None and held >= self._long_hold and not told:
                    told = True
                    found.append(_long_hold(label, owner, held, state.waiters))
                holds[which] = (token, since, told)
            for waiter in state.waiters:
                if waiter.mode not in (EXCLUSIVE, READ, WRITE) or waiter in known:
                    continue
                token = sum(state.holds)
                before, told = (
                    self._starving[waiter] if waiter in self._starving else (token, False)
                )
                waited = (now - waiter.since_ns) / 1e9
                # While one hold lasts it is that hold which is too long.
                passed_over = bool(state.holds) and before != token
                if (
                    self._starvation is not None
                    and waited >= self._starvation
                    and passed_over
                    and not told
                ):
                    told = True
                    found.append(_starvation(label, waiter, waited))
                starving[waiter] = (before, told)
        self._holds = holds
        self._starving = starving
        return found


def _ring_summary(ring: list[Wait]) -> str:
    if len(ring) == 1:
        wait = ring[0]
        name = wait.waiter.thread.name
        if wait.any_of:
            return f"thread {name!r} waits for {wait.what}, and is that thread itself"
        return f"thread {name!r} waits for {wait.what}, which it holds itself"
    way = " -> ".join(repr(wait.waiter.thread.name) for wait in (*ring, ring[0]))
    return f"{len(ring)} threads wait for each other: {way}"


def _victim(ring: list[Wait]) -> Waiter | None:
    """The last that began to wait, of those whose wait can be ended."""
    waiters = [wait.waiter for wait in ring if not wait.waiter.firm]
    return max(waiters, key=lambda waiter: waiter.since_ns, default=None)


def _long_hold(label: str, owner: int, held: float, waiters: tuple[Waiter, ...]) -> WatchReport:
    name = _name(owner)
    summary = f"thread {name!r} has held {label} for at least {held:.1f} s"
    waiting = tuple(
        BlockedThread(w.thread.name, w.thread.ident or 0, label, (name,), (), 0.0, w.site)
        for w in waiters
    )
    return WatchReport(
        "long hold",
        summary + (f"; {len(waiting)} waiting" if waiting else ""),
        (BlockedThread(name, owner, "", (), (label,), held),),
        tuple(thread.name for thread in waiting),
    )


def _starvation(label: str, waiter: Waiter, waited: float) -> WatchReport:
    name = waiter.thread.name
    return WatchReport(
        "starvation",
        f"thread {name!r} has waited {waited:.1f} s for {label}, while others got it",
        (BlockedThread(name, waiter.thread.ident or 0, label, (), (), waited, waiter.site),),
    )


def _name(ident: int) -> str:
    owner = owner_named(ident)
    return str(ident) if owner is None or not owner.name else owner.name


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(map(repr, names))


def _log_report(report: WatchReport) -> None:
    level = logging.ERROR if report.kind == "deadlock" else logging.WARNING
    _log.log(level, "%s", report)


def watchdog(
    *,
    interval: float = INTERVAL_SECONDS,
    break_deadlocks: bool = False,
    long_hold: float | None = LONG_HOLD_SECONDS,
    starvation: float | None = STARVATION_SECONDS,
    on_report: Callable[[WatchReport], object] | None = None,
    clock: Callable[[], int] = perf_counter_ns,
) -> Watchdog:
    """Begin to look for deadlocks; ends with `stop()`, or as a block.

    Seen are waits for the locks of this package, `Thread.join()` and the results of a
    `ThreadPoolExecutor`, also mixed; a wait with a timeout is never part of a deadlock. A deadlock
    is reported once, when two pictures agree that it was there at one moment. Waits for a
    condition or an event count when code that would end them is stuck behind the waiting thread
    ("possible deadlock"). So do waits for a permit that only stuck threads have taken, at a barrier
    or a channel to which only stuck threads have come so far; nobody owns these, so it is never
    more than possible.

    While it is on, an uncontended acquire and release of a `Lock` costs a few times as much, as
    with `observe()`; a wait notes its stack, some microseconds.

    Args:
        interval: seconds from one look to the next.
        break_deadlocks: raise `DeadlockError` in one thread of each proved deadlock, the one that
            began to wait last: it has the least to lose. Its ``with`` blocks let go what it holds.
        long_hold: seconds after which a hold is reported, counted from the first look that saw it;
            None for never.
        starvation: seconds after which a waiting thread is reported that others have overtaken;
            None for never.
        on_report: called for each finding, on the thread that looks. By default they are logged
            (``ftlocks.watchdog``; a proved deadlock is an error, all else a warning).
        clock: nanoseconds, in step with `time.perf_counter_ns`.
    """
    return Watchdog(
        interval=interval,
        break_deadlocks=break_deadlocks,
        long_hold=long_hold,
        starvation=starvation,
        on_report=on_report,
        clock=clock,
    ).start()
