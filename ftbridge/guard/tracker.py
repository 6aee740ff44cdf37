"""Sees every extension module at the moment it is created, and which of them switched the GIL on.

Only creating an extension module can switch the GIL on, and every ordinary import of one goes
through `ExtensionFileLoader.create_module`, whatever finder found it.  So that one method is
wrapped while somebody watches: imports of Python modules cost nothing, and when the last watcher
leaves, the original is back in place.

CPython enables the GIL for the length of *every* creation and disables it again afterwards if the
module declared itself safe.  "The GIL is on" therefore proves nothing while any thread is inside
a creation; the tracker judges when none is, and asks the module's own declaration where several
overlapped.

Imports nothing of ftbridge but the values in `trip` and, when creations overlapped, `declared`.
"""

import sys
import threading
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from types import FrameType, ModuleType
from typing import Final

from ftbridge.guard.trip import ExtensionLoad, ImportSite

type Watcher = Callable[[tuple[ExtensionLoad, ...]], None]
type CreateModule = Callable[[ExtensionFileLoader, ModuleSpec], ModuleType]
type Created = tuple[ExtensionLoad, ModuleType | None]

_OWN_PACKAGE: Final = "ftbridge."


class ExtensionTracker:
    """Tells its watchers, once, which extension module switched the GIL on.

    A watcher runs on the importing thread, which holds that module's import lock: it must not
    block or raise.  All methods may be called from any thread.  What the importing thread
    did before the creation happens-before the watcher's call.
    """

    def __init__(self, is_gil_enabled: Callable[[], bool] | None = None) -> None:
        self._is_gil_enabled = is_gil_enabled or sys._is_gil_enabled
        self._lock = threading.Lock()  # never held across an import or a watcher's call
        self._watchers: tuple[Watcher, ...] = ()
        self._original: CreateModule | None = None
        self._wrapper: CreateModule | None = None
        self._in_flight = 0
        self._overlapped: list[Created] = []  # created since nothing was in flight
        self._decided = False  # on before the present batch, or its culprit has been named

    @property
    def in_flight(self) -> int:
        """Creations under way; while it is not 0 the GIL may be on for a moment only."""
        return self._in_flight

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with the culprits when an import switches the GIL on."""
        with self._lock:
            self._watchers = (*self._watchers, watcher)
            if self._wrapper is None:
                self._install()

    def unwatch(self, watcher: Watcher) -> None:
        """Take `watcher` off; with the last one goes the wrapper."""
        with self._lock:
            self._watchers = tuple(known for known in self._watchers if known != watcher)
            if not self._watchers:
                self._remove()

    def _install(self) -> None:
        original: CreateModule = ExtensionFileLoader.create_module

        def create_module(loader: ExtensionFileLoader, spec: ModuleSpec) -> ModuleType:
            self._begin()
            module: ModuleType | None = None
            try:
                module = original(loader, spec)
                return module
            finally:
                # Also when it raised: with warnings turned into errors CPython switches the GIL
                # on, then raises its RuntimeWarning.
                self._end(spec, module)

        self._original, self._wrapper = original, create_module
        ExtensionFileLoader.create_module = create_module  # type: ignore[assignment,method-assign]

    def _remove(self) -> None:
        # If somebody wrapped it after us, our wrapper stays below theirs: it still works, and
        # with no watcher it tells nobody.
        if self._original is not None and ExtensionFileLoader.create_module is self._wrapper:
            ExtensionFileLoader.create_module = self._original  # type: ignore[assignment,method-assign]
            self._original = self._wrapper = None

    def _begin(self) -> None:
        with self._lock:
            if self._in_flight == 0:
                self._overlapped = []
                self._decided = self._is_gil_enabled()
            self._in_flight += 1

    def _end(self, spec: ModuleSpec, module: ModuleType | None) -> None:
        if self._decided or not self._is_gil_enabled():
            with self._lock:
                self._in_flight -= 1
            return
        load = ExtensionLoad(
            module=spec.name,
            file=spec.origin or "",
            chain=_import_chain(sys._getframe(2)),  # 2: this method, the wrapper
        )
        with self._lock:
            self._in_flight -= 1
            self._overlapped.append((load, module))
            suspects = self._overlapped
            settled = self._in_flight == 0
            if settled and not self._decided:
                self._decided = True
                watchers = self._watchers
            else:
                watchers = ()
        # Outside the lock: the answer may import ctypes, which is an extension module itself.
        if settled:
            culprits = _culprits(suspects)
            for watcher in watchers:
                watcher(culprits)


def _culprits(suspects: list[Created]) -> tuple[ExtensionLoad, ...]:
    """Those of the modules, created while the GIL went on, that may have done it."""
    loads = tuple(load for load, _ in suspects)
    if len(suspects) == 1:
        return loads
    from ftbridge.guard.declared import declares_gil_free

    undeclared = tuple(
        load for load, module in suspects if module is None or declares_gil_free(module) is False
    )
    # The first to end is the one that found it off; the rest, undeclared too, found it on.
    return undeclared[:1] or loads


def _import_chain(frame: FrameType | None) -> tuple[ImportSite, ...]:
    """The import statements between `frame` and the first one, outermost first."""
    chain: list[ImportSite] = []
    importing = True
    while frame is not None:
        module = frame.f_globals.get("__name__", "?")
        if module == "importlib" or module.startswith("importlib."):
            importing = True
            loader = frame.f_locals.get("self")
            # The body of an extension module is C: no frame of its own, only its loader's.
            if frame.f_code.co_name == "exec_module" and isinstance(loader, ExtensionFileLoader):
                chain.append(ImportSite(loader.name, loader.path, 0))
        elif importing:
            importing = False
            chain.append(ImportSite(module, frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    chain.reverse()
    # How ftbridge itself came to load the adapter is no news to its author.
    while len(chain) > 1 and chain[0].module.startswith(_OWN_PACKAGE):
        del chain[0]
    return tuple(chain)


tracker: Final = ExtensionTracker()  # the process has one import system, hence one tracker
