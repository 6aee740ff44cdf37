"""Runs the threads of one test one at a time, and asks a strategy who goes on at each place.

A controlled thread is a real thread that sleeps on a gate of its own until it is chosen: the baton.
It gives the baton up at the places in the code under test and in the modelled primitives
(`ftstress.models`), and nowhere else, so that a run is decided by the strategy alone. Time is
virtual: it moves by a microsecond a step and, when all threads wait, to the first deadline.

`me()`, `point()` and `block()` are what models are written with. Must never use a lock, a clock or
a thread that a model stands for: the originals are taken from `_thread` at import.
"""

import sys
import threading
import traceback
import types
from _thread import get_ident
from collections.abc import Callable
from typing import Final, NoReturn

from ftstress.effects import CHANNEL, LOCK, Effect, Effects, Names
from ftstress.events import WRITE
from ftstress.frames import line_of
from ftstress.places import CodeMap, Site
from ftstress.tasks import (
    MAIN,
    Aborted,
    Choice,
    Chooser,
    Failure,
    Reason,
    Redundant,
    Step,
    Task,
    TaskId,
    Timeouts,
    Wait,
    closed_gate,
)

# Virtual nanoseconds that a step takes: enough for a loop that looks at the clock to end, too few
# for a timeout to run out while others work.
STEP_NS: Final = 1_000
# Steps that one thread may take while others could go on, before they are let through: a thread
# that spins for another one's doing would otherwise never see it. A guess above any loop that a
# test of an interleaving needs.
SPIN_STEPS: Final = 300
# Turns of loops that a thread may make without coming to any place, before the others are let
# through: it may wait for them in a way that cannot be seen.
BLIND_TURNS: Final = 2_000
# Steps that a thread may take while it unwinds, to clean up, and how often it is told to end after
# that before it is put to sleep for good: it swallows everything.
_CLEANING_STEPS: Final = 500
_ABORTS: Final = 100
# Seconds (real ones) that an aborted thread gets to end in.
_UNWIND_SECONDS: Final = 5.0


class UncontrolledError(RuntimeError):
    """The schedule is not in control: a thread blocks in something that is not modelled."""


class Run:
    """One execution of a test under a strategy."""

    # Real seconds without a step after which something else than the schedule is in control.
    STALL_SECONDS = 20.0

    def __init__(
        self,
        strategy: Chooser,
        codes: CodeMap,
        *,
        max_steps: int,
        timeouts: Timeouts = "idle",
        excused: Callable[[Task], bool] = lambda _task: False,
    ) -> None:
        self.strategy = strategy
        self.codes = codes
        self.max_steps = max_steps
        self.timeouts = timeouts
        self.clock_ns = 0
        self.steps: list[Step] = []
        self.failure: Failure | None = None
        self.error: BaseException | None = None
        self.titles: dict[TaskId, str] = {}
        self.tasks: dict[TaskId, Task] = {}
        self.excused = excused
        # What each stretch did: the first before `steps[0]`, each other one after a step, by
        # whoever was chosen there. Only for a strategy that asks for it.
        self.effects: list[Effects] = []
        self.after_all: set[int] = set()  # stretches that nothing else was left for
        self.is_redundant = False
        self.stuck: list[tuple[TaskId, Site, str]] = []  # at a deadlock: where, and for what
        self.names = Names()
        attach = getattr(strategy, "attach", None)
        self.records = attach is not None
        if attach is not None:
            attach(self)
        self._done_now: list[Effect] = []
        self._running: Task | None = None
        self._streak = 0
        self._over = False
        self._done = closed_gate()

    # From outside.

    def execute(self, test: Callable[[], object]) -> None:
        """Run `test` to its end, and all threads with it; then look at `failure`.

        Raises:
            UncontrolledError: nothing moved for `stall_seconds` (real ones).
            Exception: the strategy, or this module, raised it.
        """
        global _run
        try:
            _run = self
            main = Task(MAIN, getattr(test, "__name__", "test"), False)
            self._adopt(main)
            thread = threading.Thread(target=self._thread, args=(main, test), daemon=True)
            thread.start()
            # A daemon only to the interpreter; what the test starts is not to inherit it.
            thread._daemonic = False  # type: ignore[attr-defined]
            main.arrived.acquire()
            self._running = main
            main.gate.release()
            self._wait_for_end()
            self._unwind()
        finally:
            _run = None
        if self.error is not None:
            raise self.error

    def _wait_for_end(self) -> None:
        seen, quiet = -1, 0.0
        pause = 0.5
        while not self._done.acquire(True, pause):
            if len(self.steps) != seen:
                seen, quiet = len(self.steps), 0.0
                continue
            quiet += pause
            if quiet >= self.STALL_SECONDS:
                raise self._stalled()

    def _stalled(self) -> UncontrolledError:
        task = self._running
        assert task is not None
        self._over = True
        frames = sys._current_frames()
        where = ""
        if task.ident in frames:
            where = "".join(traceback.format_stack(frames[task.ident])[-4:])
        return UncontrolledError(
            f"thread {task.name} ({task.title}) has not come to a place for "
            f"{self.STALL_SECONDS:g} s: it computes for long, or blocks in something that is not "
            f"modelled, such as I/O, a subprocess, or a lock made before the test began; make it "
            f"inside the test, or name its module in modules=[...]\n{where}"
        )

    def _unwind(self) -> None:
        """End all threads, one after the other; the one that ended the run is on its way."""
        self._over = True
        last = self._running
        for task in sorted(self.tasks.values(), key=lambda task: (task is not last, task.id)):
            if task is not last and not task.is_done:
                self._running = task
                task.gate.release()
            task.ended.acquire(True, _UNWIND_SECONDS)

    # Threads.

    def start(self, parent: Task, title: str, daemon: bool) -> Task:
        """A new task, which the caller starts."""
        parent.children += 1
        task = Task((*parent.id, parent.children), title, daemon)
        task.born = len(self.effects)
        self._adopt(task)
        return task

    def _adopt(self, task: Task) -> None:
        self.tasks[task.id] = task
        self.titles[task.id] = task.title

    def _thread(self, task: Task, function: Callable[[], object]) -> None:
        self.enter(task)
        try:
            task.arrived.release()
            self.park(task)
            function()
        except Aborted:
            pass
        except BaseException as error:  # noqa: BLE001  # what a test raises is what is looked for
            self.fail_with(task, error)
        self.leave(task)

    def enter(self, task: Task) -> None:
        """The calling thread is `task` from now on."""
        task.ident = get_ident()

    def park(self, task: Task) -> None:
        """Sleep until chosen for the first time."""
        task.gate.acquire()
        if self._over:
            raise Aborted

    def leave(self, task: Task) -> None:
        """The calling thread has run; somebody else goes on."""
        task.inside = True
        task.is_done = True
        try:
            if not self._over:
                if self.records:
                    self.touch(Effect(self.names.of(task), CHANNEL, "", WRITE))
                self._give(task, "ended")
        except Aborted:
            pass
        finally:
            task.ended.release()

    def fail_with(self, task: Task, error: BaseException) -> None:
        """The run ends with an exception that nobody caught."""
        if isinstance(error, Aborted) or self._over:
            return
        self._close_stretch()
        self._end(
            Failure(
                "exception",
                type(error).__qualname__,
                task.name,
                str(error),
                "".join(traceback.format_exception(error)),
            )
        )

    # Steps.

    def step(
        self, task: Task, site: Site, effect: Effect | None = None, wait: Wait | None = None
    ) -> bool:
        """`task` has come to `site`: it or another goes on.

        Args:
            effect: what `task` is going to do.
            wait: what `task` needs for that; until then the others go on.

        Returns:
            whether it got what it waited for; False when its time ran out.
        """
        if self._over:
            # Told once; after that, what need not wait is let through: it cleans up.
            task.aborts += 1
            if 1 < task.aborts < _CLEANING_STEPS and (wait is None or wait.ready()):
                return True
            self._abort(task)
        task.inside = True
        task.wait = wait
        try:
            task.site = site
            try:
                task.visits[site.place] += 1
            except KeyError:
                task.visits[site.place] = 1
            self._give(task, "point" if wait is None or wait.ready() else "blocked")
            if effect is not None:
                self._done_now.append(effect)
            return wait is None or wait.ready()
        finally:
            task.wait = None
            task.inside = False

    def block(self, task: Task, wait: Wait) -> bool:
        """Wait until `wait.ready()`, or for its deadline; whether it was ready."""
        if self._over:
            self._abort(task)
        task.inside = True
        task.wait = wait
        try:
            self._give(task, "blocked")
            return wait.ready()
        finally:
            task.wait = None
            task.inside = False

    def _give(self, task: Task, reason: Reason) -> None:
        """Hand the baton on; returns once `task` has it back."""
        self._close_stretch()
        step = Step(task, reason)
        step.visit = task.visits[task.site.place] if task.site.place in task.visits else 0
        if reason == "blocked" and task.wait is not None:
            step.wait = task.wait.what
        self.steps.append(step)
        self.clock_ns += STEP_NS
        if len(self.steps) > self.max_steps:
            self._stop(task, self._livelock())
        try:
            chosen = self._choose(task, step)
        except Aborted:
            raise
        except Redundant:
            self.is_redundant = True
            self._stop(task, None)
        except BaseException as error:  # noqa: BLE001  # raised again where the run was asked for
            self.error = error
            self._stop(task, None)
        if chosen is task:
            self._streak += 1
            return
        self._streak = 0
        self._running = chosen
        chosen.gate.release()
        if reason != "ended":
            task.gate.acquire()
            if self._over:
                self._abort(task)

    def _choose(self, task: Task, step: Step) -> Task:
        enabled = self._enabled()
        if not enabled:
            self._stop(task, self._deadlock())
        spinning: TaskId | None = None
        if len(enabled) > 1 and task in enabled:
            patient = task.wait is not None and task.wait.what == "yield"
            if patient or self._streak >= SPIN_STEPS:
                enabled.remove(task)
                spinning = task.id
        current = task.id if task in enabled else None
        choice = Choice(tuple(other.id for other in enabled), current, spinning)
        step.enabled = len(enabled)
        step.default = choice.default
        if len(enabled) == 1 and not self.records:
            step.chosen = enabled[0].id
        else:
            step.chosen = self.strategy.choose(choice, step)
        chosen = self.tasks[step.chosen]
        wait = chosen.wait
        if wait is not None and wait.deadline_ns is not None and not wait.ready():
            self.clock_ns = max(self.clock_ns, wait.deadline_ns)
            if self.records:
                self.after_all.add(len(self.effects))
        return chosen

    def _close_stretch(self) -> None:
        if self.records:
            self.effects.append(tuple(self._done_now))
            self._done_now.clear()

    def touch(self, effect: Effect) -> None:
        """The running stretch does this as well."""
        if self.records:
            self._done_now.append(effect)

    def _enabled(self) -> list[Task]:
        live = [task for _, task in sorted(self.tasks.items()) if not task.is_done]
        if not any(not (task.daemon or self._idle(task)) for task in live):
            return []  # what is left would not keep the interpreter alive
        enabled = [task for task in live if self._can_run(task)]
        if enabled:
            return enabled
        deadlines = [
            task.wait.deadline_ns
            for task in live
            if task.wait is not None and task.wait.deadline_ns is not None
        ]
        if deadlines:
            self.clock_ns = max(self.clock_ns, min(deadlines))
            enabled = [task for task in live if self._can_run(task)]
        return enabled

    def _can_run(self, task: Task) -> bool:
        wait = task.wait
        if wait is None or wait.ready():
            return True
        if wait.deadline_ns is None:
            return False
        return self.timeouts == "any" or self.clock_ns >= wait.deadline_ns

    def _idle(self, task: Task) -> bool:
        """A worker of an executor that waits for work: the interpreter's exit would end it."""
        return task.wait is not None and not task.wait.ready() and self.excused(task)

    # Ends.

    def _deadlock(self) -> Failure | None:
        stuck = [
            task
            for _, task in sorted(self.tasks.items())
            if not (task.is_done or task.daemon or self._idle(task))
        ]
        if not stuck:
            return None
        lines = ["no thread can go on"]
        for task in stuck:
            assert task.wait is not None
            self.stuck.append((task.id, task.site, task.wait.what))
            where = f" at {task.site.place}" if task.site.line else ""
            lines.append(f"  {task.name} ({task.title}) waits for {task.wait.what}{where}")
        return Failure("deadlock", "deadlock", "", "\n".join(lines))

    def _livelock(self) -> Failure:
        lines = [f"not over after {self.max_steps} steps"]
        for _, task in sorted(self.tasks.items()):
            if not task.is_done:
                lines.append(f"  {task.name} ({task.title}) is at {task.site.place}")
        return Failure("livelock", "livelock", "", "\n".join(lines))

    def _stop(self, task: Task, failure: Failure | None) -> NoReturn:
        """End the run from inside; does not return."""
        self._end(failure)
        self._abort(task)

    def _end(self, failure: Failure | None) -> None:
        if not self._over:
            self._over = True
            self.failure = failure
            self._done.release()

    def _abort(self, task: Task) -> NoReturn:
        task.aborts += 1
        if task.aborts > _CLEANING_STEPS + _ABORTS:
            task.ended.release()
            allocated = closed_gate()
            allocated.acquire()  # for good: a daemon that would otherwise spin
        raise Aborted


_run: Run | None = None


def me() -> Task | None:
    """The controlled thread that calls; None for any other, and inside the scheduler."""
    run = _run
    if run is None:
        return None
    # Only the one that has the baton can be asking: no table of threads, which they would share.
    task = run._running
    return None if task is None or task.inside or task.ident != get_ident() else task


def run() -> Run:
    """The run that the calling, controlled thread belongs to."""
    assert _run is not None
    return _run


def reached(site: Site) -> None:
    """A thread has come to a place in the code under test; called by the tracer on that thread."""
    task = me()
    if task is None:
        return
    run().step(task, site)


def turned(code: types.CodeType, offset: int) -> None:
    """A thread has made a turn of a loop; called by the tracer on that thread."""
    task = me()
    if task is None:
        return
    current = run()
    steps, turns = task.turns
    turns = turns + 1 if steps == len(current.steps) else 1
    if turns >= BLIND_TURNS:
        turns = 0
        # Whoever it waits for goes first.
        current._streak = SPIN_STEPS
        current.step(task, current.codes.site(code, line_of(code, offset), "loop"))
    task.turns = (len(current.steps), turns)


def point(operation: str, thing: object = None, kind: int = WRITE) -> Task | None:
    """A modelled operation is about to happen to `thing`: another thread may go first.

    The calling task, or None when it is not controlled, and the operation is not a step.
    """
    task = me()
    if task is None:
        return None
    current = run()
    current.step(task, _site_of(task, operation), _effect(current, thing, kind))
    return task


def wait_at(
    operation: str,
    thing: object,
    kind: int,
    ready: Callable[[], bool],
    timeout: float | None,
    what: str | Callable[[], str],
) -> bool | None:
    """As `point()`, of an operation that needs `ready()`: until then the thread is not enabled.

    False when `timeout` virtual seconds went by first; None where the caller is not controlled.
    """
    task = me()
    if task is None:
        return None
    current = run()
    deadline = None if timeout is None else current.clock_ns + max(0, int(timeout * 1e9))
    wait = Wait(ready, deadline, what, thing)
    return current.step(task, _site_of(task, operation), _effect(current, thing, kind), wait)


def touch(thing: object, kind: int) -> None:
    """What the calling thread does goes on, without a step, to do this to `thing`."""
    current = _run
    if current is not None and current.records and me() is not None:
        effect = _effect(current, thing, kind)
        if effect is not None:
            current.touch(effect)


def _effect(current: Run, thing: object, kind: int) -> Effect | None:
    if not current.records or thing is None:
        return None
    return Effect(current.names.of(thing), CHANNEL if kind < 100 else LOCK, "", kind)


def _site_of(task: Task, operation: str) -> Site:
    task.inside = True
    try:
        return run().codes.calling(sys._getframe(2), operation)
    finally:
        task.inside = False


def block(
    task: Task, ready: Callable[[], bool], timeout: float | None, what: str, thing: object = None
) -> bool:
    """Wait until `ready()`; False when `timeout` virtual seconds went by first."""
    current = run()
    deadline = None if timeout is None else current.clock_ns + max(0, int(timeout * 1e9))
    return current.block(task, Wait(ready, deadline, what, thing))


def unwinds() -> bool:
    """Whether the calling thread's run is over, so that its locks are in no particular state."""
    current = _run
    if current is None or not current._over or current._running is None:
        return False
    return current._running.ident == get_ident()


def here() -> str:
    """`` of FILE:LINE``: the line of the code under test that makes something; "" outside of it."""
    task = me()
    if task is None:
        return ""
    task.inside = True
    try:
        site = run().codes.calling(sys._getframe(2), "")
    finally:
        task.inside = False
    return f" of {site.place.file}:{site.line}" if site.line else ""
