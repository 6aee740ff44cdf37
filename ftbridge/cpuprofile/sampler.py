"""Samples the CPU time of all threads, each of which notes its own stack.

Nobody else may: on 3.13t `sys._current_frames` stops the world only while it collects the innermost
frames, and walking on from them races with the threads that run. So a ticker switches monitoring
events (PEP 669) on for a moment, some hundred times a second; at its next event each thread writes
down its own stack and the CPU time that it has used since its last one; the ticker switches the
events off again. In between the program runs at its full speed.

Only a thread that a core executes at that moment is asked, which its CPU clock shows. A wakeful
ticker would else see threads too often where the kernel takes them off their cores: on a machine
with more work than cores that is the end of a system call, where the ticker gets its own turn, too
(seen: 60 % of the samples in a function that reads a file and takes 1 % of the time). Who was not
met so for two periods of its own time is asked all the same, and the report says how often.

Why that is safe on 3.13t (CPython 3.13.5, Python/instrumentation.c):

- `sys.monitoring.set_events` stops the world, then brings the code objects of all running frames up
  to date. A code object that nobody runs is brought up to date by the RESUME of the first who
  enters it, under that object's lock. So no bytecode changes under a thread that executes it.
- Only events are used whose original instruction is found in a constant table (`DE_INSTRUMENT`).
  LINE and INSTRUCTION keep it in memory that switching off clears; they are not used.
- The callables are registered once, before the first event, and outlive the last one.
- A thread walks its own frames only, which cannot run meanwhile.

Stopping the world has a price: on a free-threaded build it waits for threads that are inside a C
function which does not detach. The ticker rests four times as long as it had to wait, so that a
program loses a fifth of its parallel time at most, and the profile says how much it was.
Must never raise into the program, or run Python code of another module in an event.
"""

from __future__ import annotations

import os
import random
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

from ftbridge.cpuprofile.result import CpuProfile, CpuStack, folded
from ftlocks._sites import Frame, line_of

RATE: Final = 100.0  # samples of a thread per second of its time; py-spy's default too
MAX_RATE: Final = 1000.0
DEPTH: Final = 256  # frames kept of a stack, innermost first

# How long events stay on at most, while a thread at work is in C code that has detached. Its time
# is counted later, where it is met next.
_WINDOW_NS: Final = 5_000_000
_ADVANCE_NS: Final = 20_000  # in which the clock of a thread that runs goes on
# Periods of its own time after which a thread is asked all the same.
_OVERDUE: Final = 2
_AGAIN_SECONDS: Final = 0.002
_GLANCE_SECONDS: Final = 0.0001
_REST: Final = 4  # times what a look took, which ends with the last thread's answer

_EVENTS: Final = sys.monitoring.events
# Time before one of these was spent in the caller of the code that the event names ...
_ENTRIES: Final = (_EVENTS.PY_START, _EVENTS.PY_RESUME)
# ... and before one of these, in that code itself.
_INSIDE: Final = (_EVENTS.PY_RETURN, _EVENTS.PY_YIELD, _EVENTS.JUMP, _EVENTS.CALL)
_ALL_EVENTS: Final = sum(_ENTRIES) + sum(_INSIDE)

_OWN_FILE: Final = __file__


class _Thread:
    """What one thread noted. Written by that thread alone; `name` and `asked` by the ticker."""

    __slots__ = ("answered", "asked", "ident", "last_ns", "name", "native", "own_ns", "stacks")

    def __init__(self, ident: int, native: int, last_ns: int) -> None:
        self.ident = ident
        self.native = native
        self.name = ""
        self.last_ns = last_ns  # of the thread's own CPU clock
        self.own_ns = 0  # spent on noting
        # Numbers of looks: it notes its stack when they differ.
        self.asked = 0
        self.answered = 0
        # By the stack's place: site (code, instruction, ... innermost first), nanoseconds, samples.
        self.stacks: dict[tuple[int, ...], list[Any]] = {}


class CpuSampler:
    """A CPU profile of this process, for the length of a `with` block or from start to stop.

    `profile()` may be asked for at any time, by any thread. One sampler at a time in a process;
    it cannot be started again.

    Args:
        rate: how often a second each running thread is looked at, up to 1000; at irregular
            intervals, so that a loop in step with it is not seen wrongly.
        depth: frames to keep of a stack, the innermost ones.
        title: what the report is about.

    Raises:
        ValueError: rate or depth makes no sense.
    """

    def __init__(self, *, rate: float = RATE, depth: int = DEPTH, title: str = "") -> None:
        if not 0 < rate <= MAX_RATE:
            raise ValueError(f"rate must be above 0 and at most {MAX_RATE:g} Hz, got {rate!r}")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth!r}")
        self.title = title or " ".join(sys.orig_argv[1:]) or "python"
        self._rate = rate
        self._depth = depth
        self._threads: list[_Thread] = []
        self._local = threading.local()
        self._look_number = 1
        # With the GIL, or one core, nobody else runs while the ticker looks.
        self._choosy = not sys._is_gil_enabled() and (os.process_cpu_count() or 1) > 1
        self._base_by_native: dict[int, int] = {}  # CPU time before the profile began
        self._ending = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="ftbridge-cpu-sampler", daemon=True)
        self._rest = _REST
        self._ticks = 0
        self._late = 0
        self._pause_ns = 0
        self._ticker_ns = 0
        self._started_ns = self._cpu_started_ns = 0
        self._ended_ns = self._cpu_ended_ns = 0
        self._trouble = ""

    def start(self) -> None:
        """Begin. RuntimeError when it has begun before, or another profiler is at work."""
        if self._started_ns:
            raise RuntimeError("this sampler has been started before: make another one")
        try:
            sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "ftbridge")
        except ValueError:
            name = sys.monitoring.get_tool(sys.monitoring.PROFILER_ID)
            raise RuntimeError(
                f"another profiler ({name}) is at work in this process: end it first"
            ) from None
        global _running
        _running = self
        self._base_by_native = {native: _cpu_ns(native) for native in _native_ids()}
        entry, inside = self._noting(2), self._noting(1)
        for event in _ENTRIES:
            sys.monitoring.register_callback(sys.monitoring.PROFILER_ID, event, entry)
        for event in _INSIDE:
            sys.monitoring.register_callback(sys.monitoring.PROFILER_ID, event, inside)
        self._started_ns = time.perf_counter_ns()
        self._cpu_started_ns = time.process_time_ns()
        self._ticker.start()

    def stop(self) -> None:
        """End; no error when it has ended before. The calling thread takes a last sample."""
        global _running
        if not self._started_ns or self._ending.is_set():
            return
        self._ending.set()
        self._ticker.join()
        try:
            sys.monitoring.set_events(sys.monitoring.PROFILER_ID, _ALL_EVENTS)
            _an_event()  # meets the thread, if it never was
            native = threading.get_native_id()
            self._ask([each for each in self._threads if each.native == native])
            _an_event()
        except OverflowError:
            pass  # the last sample is lost
        finally:
            sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)
        self._ended_ns = time.perf_counter_ns()
        self._cpu_ended_ns = time.process_time_ns()
        for event in (*_ENTRIES, *_INSIDE):
            sys.monitoring.register_callback(sys.monitoring.PROFILER_ID, event, None)
        sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
        _running = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def profile(self) -> CpuProfile:
        """What was found so far, or between start and stop."""
        self._name_threads()
        stacks = []
        own_ns = self._ticker_ns
        for thread in tuple(self._threads):
            own_ns += thread.own_ns
            for site, spent, samples in tuple(thread.stacks.copy().values()):
                found = _frames(site)
                if found:
                    name = thread.name or f"thread {thread.native}"
                    stacks.append(CpuStack(name, found, spent, samples))
        cpu_ns = (self._cpu_ended_ns or time.process_time_ns()) - self._cpu_started_ns
        return CpuProfile(
            title=self.title,
            sampler="ftbridge",
            interpreter=interpreter(),
            rate=self._rate,
            duration_ns=(self._ended_ns or time.perf_counter_ns()) - self._started_ns,
            cpu_ns=max(0, cpu_ns - own_ns),
            stacks=folded(stacks),
            notes=self._notes(own_ns),
        )

    def _notes(self, own_ns: int) -> tuple[str, ...]:
        ticks = max(1, self._ticks)
        notes = [
            "each thread noted its own stack, weighed by its own CPU clock; time in C code counts "
            "for the function that called it",
            f"{self._ticks} looks at {self._rate:g} Hz; the sampler used {own_ns / 1e6:.1f} ms of "
            f"CPU (not in any figure) and stopped the threads for {self._pause_ns / 1e6:.1f} ms, "
            f"{self._pause_ns / ticks / 1000:.0f} us a look",
        ]
        if self._late:
            notes.append(
                f"the machine was busy: {self._late} times a thread was asked while it had no "
                "core, which favours what follows a system call"
            )
        return (*notes, self._trouble) if self._trouble else tuple(notes)

    def _noting(self, skip: int) -> Callable[..., None]:
        """A callback for events whose time belongs to the frame `skip` levels above it."""
        local, cpu, getframe, depth = self._local, time.thread_time_ns, sys._getframe, self._depth

        def note(*_event: object) -> None:
            try:
                thread = local.thread
            except AttributeError:
                # Met, not asked: it may just have woken up. From now on its turn comes.
                thread = local.thread = self._registered()
            if thread is None or thread.answered == thread.asked:
                return
            thread.answered = thread.asked
            now = cpu()
            spent = now - thread.last_ns
            if spent < 0:  # another thread has had this one's number before
                spent = now
            frame: FrameType | None
            try:
                frame = getframe(skip)
            except ValueError:  # a thread's first function has no caller
                frame = getframe(1)
            site: list[Any] = []
            left = depth
            while frame is not None and left:
                site.append(frame.f_code)
                site.append(frame.f_lasti)
                frame = frame.f_back
                left -= 1
            # Inlined `key_of`: every call here would need a frame of its own.
            key = tuple([id(part) if type(part) is not int else part for part in site])
            try:
                figures = thread.stacks[key]
                figures[1] += spent
                figures[2] += 1
            except KeyError:
                thread.stacks[key] = [tuple(site), spent, 1]
            thread.last_ns = cpu()
            thread.own_ns += thread.last_ns - now

        return note

    def _registered(self) -> _Thread:
        native = threading.get_native_id()
        try:
            before_ns = self._base_by_native[native]
        except KeyError:
            before_ns = 0  # began after the profile did
        thread = _Thread(threading.get_ident(), native, before_ns)
        self._threads.append(thread)
        return thread

    def _tick(self) -> None:
        self._local.thread = None  # the ticker is not part of the program
        try:
            # Of the calling thread alone: where this is allowed, its looks are in time.
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        except OSError:
            pass
        began_ns = time.thread_time_ns()
        rest = 0.0
        shares = random.Random(0)
        delay = 0.0
        while not self._ending.wait(max(delay, rest)):
            running = self._running()
            delay = shares.uniform(0.5, 1.5) / self._rate
            if not running and not self._strangers():
                # All may be where a core is missing just now: once more, soon. It costs no pause.
                delay, rest = min(delay, shares.uniform(0.5, 1.5) * _AGAIN_SECONDS), 0.0
                continue
            pause_ns = self._look(running)
            if pause_ns < 0:
                break
            self._ticks += 1
            rest = self._rest * pause_ns / 1e9
            self._ticker_ns = time.thread_time_ns() - began_ns
            self._name_threads()
        self._ticker_ns = time.thread_time_ns() - began_ns

    def _running(self) -> list[_Thread]:
        """The known threads that a core executes at this moment, and those that are overdue."""
        found = [each for each in self._threads if _cpu_ns(each.native) > each.last_ns]
        if not found or not self._choosy:
            return found
        before = [_cpu_ns(each.native) for each in found]
        until = time.perf_counter_ns() + _ADVANCE_NS
        while time.perf_counter_ns() < until:
            pass
        running = []
        for each, then in zip(found, before, strict=True):
            now = _cpu_ns(each.native)
            if now > then:
                running.append(each)
            elif now - each.last_ns > _OVERDUE * 1e9 / self._rate:
                running.append(each)
                self._late += 1
        return running

    def _strangers(self) -> bool:
        """Whether there are threads that were never met, the ticker aside."""
        known = {each.native for each in self._threads}
        known.add(threading.get_native_id())
        return not known.issuperset(_native_ids())

    def _look(self, running: list[_Thread]) -> int:
        """Have these threads note their stacks; how long that disturbed all (ns), or -1."""
        self._ask(running)
        began_ns = time.perf_counter_ns()
        try:
            sys.monitoring.set_events(sys.monitoring.PROFILER_ID, _ALL_EVENTS)
        except OverflowError:  # after 8 million looks, a day at 100 Hz
            self._trouble = "CPython can switch events no more often: the profile ended early"
            return -1
        on_ns = time.perf_counter_ns()
        while True:
            time.sleep(_GLANCE_SECONDS)
            open_ns = time.perf_counter_ns() - on_ns
            if all(each.answered == each.asked for each in running) or open_ns > _WINDOW_NS:
                break
        off_ns = time.perf_counter_ns()
        sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)
        for each in running:  # or it would answer for another moment than the one asked for
            each.asked = each.answered
        pause_ns = on_ns - began_ns + time.perf_counter_ns() - off_ns
        self._pause_ns += pause_ns
        return pause_ns + open_ns

    def _ask(self, threads: list[_Thread]) -> None:
        self._look_number += 1
        for each in threads:
            each.asked = self._look_number

    def _name_threads(self) -> None:
        unnamed = [thread for thread in self._threads if not thread.name]
        if unnamed:
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for thread in unnamed:
                if thread.ident in names:
                    thread.name = names[thread.ident]

    def _forget(self) -> None:
        """In a child of a fork, which has no ticker: no event may stay on."""
        sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)
        self._ending.set()


_running: CpuSampler | None = None


def _after_fork() -> None:
    if _running is not None:
        _running._forget()


os.register_at_fork(after_in_child=_after_fork)


def interpreter() -> str:
    """The interpreter in a few words: "CPython 3.13.5, free-threaded, GIL off"."""
    version = ".".join(map(str, sys.version_info[:3]))
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return f"CPython {version}, GIL build"
    return f"CPython {version}, free-threaded, GIL {'on' if sys._is_gil_enabled() else 'off'}"


def _an_event() -> None:
    """Something that the calling thread takes its last sample at."""


def _native_ids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc/self/task")]  # noqa: PTH208  names, not paths


def _cpu_ns(native: int) -> int:
    """CPU time of a thread of this process, by its kernel number; 0 when it has ended."""
    # The kernel's encoding of "CPU clock of that thread" (posix-timers.h: CPUCLOCK_PERTHREAD |
    # CPUCLOCK_SCHED). pthread_getcpuclockid says the same, but must not be asked for an ended one.
    try:
        return time.clock_gettime_ns((~native << 3) | 6)
    except OSError:
        return 0


def _frames(site: tuple[Any, ...]) -> tuple[Frame, ...]:
    """A site as a person reads it, outermost first, without what only leads to the program."""
    found: list[Frame] = []
    for code, instruction in zip(site[::2], site[1::2], strict=True):
        if code.co_filename == _OWN_FILE:
            found.clear()  # what the sampler called
        elif not _leads_in(code.co_filename):
            found.append(Frame(code.co_qualname, code.co_filename, line_of(code, instruction)))
    return tuple(reversed(found))


def _leads_in(path: str) -> bool:
    return path == "<frozen runpy>" or path.endswith("/ftbridge/cpuprofile/program.py")
