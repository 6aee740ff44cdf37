"""The process that serves the adapter under test, with the race detector inside.

`python -m ftbridge.hammer.child FD` takes requests from the socket FD, one after the other, and
answers each: pairs of a word and its argument, pickled (`multiprocessing.connection`). Nothing that
makes a lock may be imported before the detector listens, or what that lock orders is not seen: so
this module imports the rest of ftbridge when it is told to serve.
"""

from __future__ import annotations

import inspect
import sys
import threading
import time
import traceback
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ftbridge.hammer import INVARIANT_ATTRIBUTE
from ftbridge.hammer.records import Call, Ended, Order, Started
from ftstress import events, importing, suppressions, sync
from ftstress.conversions import finding_of_deadlock, finding_of_order, finding_of_race
from ftstress.fasttrack import RaceDetector
from ftstress.findings import Finding, Location, Side, gil_enabled
from ftstress.lock_order import LockOrder
from ftstress.muffled import Muffled

if TYPE_CHECKING:
    from ftbridge.adapters.base import BaseAdapter
    from ftbridge.bridge.server import BridgeServer
    from ftbridge.hammer.watched import WatchedHost

QUIET_SECONDS: Final = 5.0
"""Longest wait for calls that nobody waits for any more: timed out, or streams left early."""

_GRACE_SECONDS: Final = 2.0
_SESSION_SECONDS: Final = 0.05  # life of an unused session: they expire between and during calls
_HANDLERS: Final = 8  # threads: calls of all clients run at once
# Calls meet there by accident only. `adapters` is not among them: what it orders, it promises.
_SERVING: Final = tuple(
    Path(__file__).resolve().parent.parent / room
    for room in ("rpc", "http2", "bridge", "wire", "metrics", "telemetry")
)
_OWN: Final = ("ftbridge", "ftlocks", "ftstress")


class _Child:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._detector = RaceDetector()
        self._locks = LockOrder()
        self._ears = Muffled(self._detector, _SERVING)
        self._doubts: list[str] = []
        self._setups = self._teardowns = 0
        self._server: BridgeServer | None = None
        self._host: WatchedHost | None = None
        self._adapter: type[BaseAdapter] | None = None
        self._modules: importing.Instrumented | None = None

    def load(self) -> Started:
        if gil_enabled():
            self._doubts.append("the GIL was on from the start: use a free-threaded build")
        if self._order.detect:
            sync.install()
            self._locks.start()
            events.subscribe(self._ears)
            events.subscribe(self._locks)
            self._modules = importing.instrument(
                [*self._order.patterns, *_own_modules(self._order.spec)],
                under=_own_folder(self._order.spec),
            )
        from ftbridge.adapters import life, loader
        from ftbridge.hammer import arguments
        from ftbridge.rpc import cost

        # Every call on a handler thread of the pool: on the reactor's, which runs short calls
        # itself, they would come one after the other.
        cost.SHORT_SECONDS = -1.0
        life.AdapterLife._hook = self._counted(life.AdapterLife._hook)  # type: ignore[method-assign]
        self._adapter = loader.load_adapter(self._order.spec)
        cases = arguments.of_adapter(self._adapter, self._order.seed)
        return Started(self.start(), tuple(cases), tuple(_invariants(self._adapter)))

    def _counted(self, hook: Any) -> Any:
        lock = threading.Lock()

        def counted(life: Any, instance: Any, name: str) -> None:
            hook(life, instance, name)
            with lock:
                self._setups += name == "setup"
                self._teardowns += name == "teardown"

        return counted

    def start(self) -> int:
        from ftbridge.bridge.server import BridgeServer
        from ftbridge.bridge.sessions import SessionStore
        from ftbridge.hammer.watched import WatchedHost
        from ftbridge.rpc import ServerOptions

        assert self._adapter is not None
        self._host = WatchedHost(
            self._adapter, serialize=self._order.serialize, config=self._order.config
        )
        self._server = BridgeServer(
            self._host,
            options=ServerOptions(threads=_HANDLERS),
            sessions=SessionStore(ttl=_SESSION_SECONDS),
        )
        return self._server.start()

    def restart(self, _: object = None) -> Started:
        """Stop the server, with all that runs in it, and serve a new instance."""
        assert self._server is not None
        self._server.stop(_GRACE_SECONDS)
        return Started(self.start())

    def check(self, calls: list[Call]) -> list[Finding]:
        """The author's invariants, as soon as nothing runs."""
        assert self._host is not None
        assert self._adapter is not None
        names = _invariants(self._adapter)
        if not names:
            return []
        if not self._is_quiet():
            return [
                Finding(
                    "crash",
                    self._adapter.__qualname__,
                    f"tools still ran {QUIET_SECONDS:g} s after the last caller had left, so that "
                    "no invariant could be checked.",
                    sides=self.stacks(),
                    explanation="A tool does not look whether its call was cancelled, or hangs.",
                )
            ]
        self._ears.silent(True)
        try:
            with self._host.borrowed() as instance:
                broken = [_broken(self._adapter, instance, name, calls) for name in names]
        finally:
            self._ears.silent(False)
        return [finding for finding in broken if finding is not None]

    def _is_quiet(self) -> bool:
        assert self._host is not None
        limit = time.monotonic() + QUIET_SECONDS
        while self._host.active():
            if time.monotonic() > limit:
                return False
            time.sleep(0.002)  # nobody tells the end of a call that has no caller
        return True

    def stacks(self, _: object = None) -> tuple[Side, ...]:
        """Where the threads are that run an adapter's code now."""
        # ftstress: frames of running threads may be in motion on 3.13t; those asked for here hang.
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        found = []
        for ident, frame in sys._current_frames().items():
            stack = [
                Location.at(entry.filename, entry.lineno or 0, entry.name)
                for entry in reversed(traceback.extract_stack(frame))
                if not Path(entry.filename).is_relative_to(Path(events.__file__).parent)
            ]
            served = [n for n, place in enumerate(stack) if place.file.endswith("adapters/host.py")]
            if served and served[0] > 0 and ident != threading.get_ident():
                found.append(
                    Side(names.get(ident, str(ident)), "is here", tuple(stack[: served[0]]))
                )
        return tuple(found)

    def stop(self, _: object = None) -> Ended:
        assert self._server is not None
        self._server.stop(_GRACE_SECONDS)
        if self._order.detect:
            events.unsubscribe(self._locks)
            events.unsubscribe(self._ears)
            self._locks.stop()
        if gil_enabled() and not self._doubts:
            self._doubts.append("the GIL was switched on by a module that the adapter imports")
        races, benign = [], []
        for race in (*self._detector.races(), *self._detector.violations()):
            why = suppressions.reason(race, list(self._order.suppressed))
            if why is None:
                races.append(finding_of_race(race))
            else:
                benign.append(finding_of_race(race, why))
        races += map(finding_of_order, self._locks.orders())
        races += map(finding_of_deadlock, self._locks.deadlocks())
        names: list[str] = []
        if self._modules is not None:
            names = self._modules.names
            late = [n for n in self._modules.too_late if n.partition(".")[0] not in _OWN]
            if late:
                self._doubts.append(
                    f"imported before they could be instrumented: {', '.join(sorted(late))}"
                )
            if not self._detector.accesses:
                self._doubts.append("no access was seen: the adapter's module was not instrumented")
        return Ended(
            tuple(races),
            tuple(benign),
            self._detector.accesses,
            self._detector.threads(),
            tuple(names),
            tuple(self._doubts),
            self._setups,
            self._teardowns,
        )


def _module_of(spec: str) -> str:
    module, colon, _ = spec.partition(":")
    return module if colon else spec.rpartition(".")[0]


def _own_modules(spec: str) -> list[str]:
    """The adapter's module and those beside it in its package."""
    module = _module_of(spec)
    return [module, *([f"{package}.*"] if (package := module.rpartition(".")[0]) else [])]


def _own_folder(spec: str) -> list[Path]:
    """For a module that is in no package: the folder that it lies in."""
    module = _module_of(spec)
    if "." in module:
        return []
    if "" not in sys.path:
        sys.path.insert(0, "")
    found = find_spec(module)
    if found is None or found.origin is None:
        return []
    folder = Path(found.origin).resolve().parent
    parts = {"site-packages", "dist-packages"} & set(folder.parts)
    # A folder that holds this very package is a checkout of it, and not the adapter's.
    return [] if parts or (folder / "ftbridge" / "hammer").is_dir() else [folder]


def _invariants(adapter_class: type) -> list[str]:
    names = {name for base in adapter_class.__mro__ for name in vars(base)}
    return sorted(
        name
        for name in names
        if getattr(inspect.getattr_static(adapter_class, name), INVARIANT_ATTRIBUTE, False)
    )


def _broken(adapter_class: type, instance: object, name: str, calls: list[Call]) -> Finding | None:
    method = getattr(instance, name)
    takes = bool(inspect.signature(method).parameters)
    try:
        held = method(calls) if takes else method()
    except Exception as error:  # noqa: BLE001  # whatever the author's check raises
        frames = traceback.extract_tb(error.__traceback__)[1:] or traceback.extract_tb(
            error.__traceback__
        )
        place = frames[-1]
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        where: tuple[Location, ...] = (Location.at(place.filename, place.lineno or 0, place.name),)
    else:
        if held is not False:
            return None
        message, where = "it returned False", ()
    return Finding(
        "invariant-broken",
        f"{adapter_class.__qualname__}.{name}",
        message,
        sides=(Side("invariant", "checks when nothing runs", where),) if where else (),
        explanation="The author says that this holds whenever no tool runs.",
    )


def main(descriptor: int) -> None:
    """Answer requests until there are no more."""
    line = Connection(descriptor)
    _, order = line.recv()
    child = _Child(order)
    requests = {
        "restart": child.restart,
        "check": child.check,
        "stacks": child.stacks,
        "stop": child.stop,
    }
    work: Any = lambda _: child.load()  # noqa: E731
    argument: object = None
    while True:
        try:
            answer = ("done", work(argument))
        except BaseException as error:  # noqa: BLE001  # the other side tells the user
            traceback.print_exc()
            answer = ("failed", f"{type(error).__name__}: {error}")
        line.send(answer)
        try:
            word, argument = line.recv()
        except EOFError:
            return
        work = requests[word]


if __name__ == "__main__":
    main(int(sys.argv[1]))
