"""Runs something with the race detector on, and says what came of it.

Must never call a run clean that proves nothing: one with the GIL on, one that failed, one in which
nothing was instrumented.
"""

import sys
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import thread as pools
from concurrent.futures.thread import _python_exit
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, current_thread, enumerate
from types import ModuleType
from typing import Final

from ftstress import cache, events, importing, sync
from ftstress.fasttrack import RaceDetector
from ftstress.findings import gil_enabled
from ftstress.lock_order import LockOrder
from ftstress.races import Race
from ftstress.suppressions import Suppression, reason

NO_PROOF: Final = (
    "Only the code that ran was looked at, in the threads that ran it. Not seen are code that did "
    "not run, modules that were not instrumented, containers' methods that were stored before they "
    "were called, what C extensions do, slices of arrays, and memory shared outside Python; nor "
    "races whose two sides happened to be ordered in this run by a lock that has nothing to do "
    "with them. Steps that are each locked, but not together, are found where one call of a "
    "function makes both."
)


class Outcome:
    """What a run has shown.

    Args:
        races: and violations of atomicity, to be told; `benign` are those somebody has given a
            reason for, with the reason.
        doubts: why the run would not be a pass even without races; empty when it may be one.
        instrumented: modules that were looked into.
        locks: what was found about them: `orders` and `deadlocks` are taken from it.
    """

    def __init__(
        self,
        races: list[Race],
        benign: list[tuple[Race, str]],
        doubts: list[str],
        instrumented: list[str],
        accesses: int,
        threads: int,
        locks: LockOrder | None = None,
    ) -> None:
        self.orders = [] if locks is None else locks.orders()
        self.deadlocks = [] if locks is None else locks.deadlocks()
        self.races = races
        self.benign = benign
        self.doubts = doubts
        self.instrumented = instrumented
        self.accesses = accesses
        self.threads = threads


@contextmanager
def detecting() -> Iterator[RaceDetector]:
    """A race detector that listens for the length of the block, with its `locks`: `LockOrder`.

    Threads, locks and queues made before the block, and modules imported before they were
    instrumented, are not seen.
    """
    detector = RaceDetector()
    detector.locks = LockOrder()
    sync.install()
    try:
        detector.locks.start()
        events.subscribe(detector)
        events.subscribe(detector.locks)
        try:
            yield detector
        finally:
            events.unsubscribe(detector.locks)
            events.unsubscribe(detector)
            detector.locks.stop()
    finally:
        sync.uninstall()


def run_file(
    path: Path,
    arguments: Sequence[str] = (),
    patterns: Sequence[str] = (),
    suppressions: Sequence[Suppression] = (),
) -> Outcome:
    """Run a file as ``__main__``, and look for races in it and in modules in its folder.

    Args:
        patterns: of further modules to look into, as for `instrument()`.

    Raises:
        OSError: it cannot be read; SyntaxError: it is no Python.
    """
    code = cache.rewritten(path.read_bytes(), str(path))
    main = ModuleType("__main__")
    main.__dict__.update(__file__=str(path), __builtins__=__builtins__)

    def program() -> None:
        strangers = enumerate()
        exec(code, main.__dict__)
        wait_for_threads(strangers)

    before = sys.modules["__main__"], sys.argv, sys.path[0]
    sys.modules["__main__"], sys.argv = main, [str(path), *arguments]
    sys.path[0] = str(path.resolve().parent)
    try:
        with importing.instrumented(patterns, under=[path.resolve().parent]) as modules:
            return observe(program, modules, suppressions)
    finally:
        sys.modules["__main__"], sys.argv, sys.path[0] = before


def observe(
    program: Callable[[], object],
    modules: importing.Instrumented,
    suppressions: Sequence[Suppression] = (),
) -> Outcome:
    """Call `program` with the detector on."""
    doubts = ["the GIL was on from the start: use a free-threaded build"] if gil_enabled() else []
    with detecting() as detector:
        failure = _call(program)
    if failure:
        doubts.append(failure)
    if gil_enabled() and not doubts:
        doubts.append(
            "the GIL was switched on while it ran, by a module that does not support free threading"
        )
    late = [name for name in modules.too_late if not name.startswith("ftstress")]
    if late:
        doubts.append(f"imported before they could be instrumented: {', '.join(sorted(late))}")
    if not detector.accesses:
        doubts.append("no access was seen: nothing that ran was instrumented")
    told, benign = [], []
    for race in (*detector.races(), *detector.violations()):
        why = reason(race, list(suppressions))
        if why is None:
            told.append(race)
        else:
            benign.append((race, why))
    return Outcome(
        told,
        benign,
        doubts,
        ["__main__", *modules.names],
        detector.accesses,
        detector.threads(),
        detector.locks,
    )


def _call(program: Callable[[], object]) -> str:
    """Why it failed; empty if it did not."""
    try:
        program()
    except SystemExit as ended:
        if ended.code not in (None, 0):
            return f"the program ended with status {ended.code!r}"
    except Exception as error:  # noqa: BLE001  # whatever the program does
        traceback.print_exc()
        return f"the program failed with {type(error).__name__}: {error}"
    return ""


def wait_for_threads(strangers: Iterable[Thread]) -> None:
    """As the interpreter does at its exit: executors' threads, then all that are no daemons.

    Args:
        strangers: threads that were there before the program, and are not its own.
    """
    known = set(strangers)
    # This process goes on: other programs, and tests of its own, still have pools.
    others = pools._threads_queues
    pools._threads_queues = weakref.WeakKeyDictionary(
        {thread: work for thread, work in others.items() if thread not in known}
    )
    try:
        _python_exit()
    finally:
        pools._shutdown = False
        pools._threads_queues = others
    for thread in enumerate():
        if thread is not current_thread() and thread not in known and not thread.daemon:
            thread.join()
