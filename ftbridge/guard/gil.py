"""The guard a server holds: the GIL is off at the start, after loading, and while serving.

One object for one server.  Imports the parts of this package and the standard library only.
"""

import logging
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ftbridge.guard.tracker import ExtensionTracker, tracker
from ftbridge.guard.trip import ExtensionLoad, GilEnabledError, GilTrip, Phase

_log = logging.getLogger("ftbridge.guard")

FREE_THREADED_BUILD: Final = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


class GilGuard:
    """Proves that the GIL is off, or names the module that switched it on.

    Three stages, in this order: `check_start()`; `with loading():` around everything that imports
    the adapter; `watch()` ... `unwatch()` around serving, with `check()` now and then.  Before
    serving a GIL that is on raises GilEnabledError.  While serving it is logged once, at ERROR,
    `on_trip` is called once, and `check()` is False from then on: nothing switches it off again.

    With `allow_gil` nothing is raised, `on_trip` is not called, `check()` stays True, and the log
    gets a WARNING.  On a build that always has the GIL there is nothing to watch: every check
    passes and `describe()` says so.

    `on_trip` may run on the thread that imports, with that module's import lock held: set a flag,
    wake a thread; never block there.  What it raises is logged.  All methods may be called from
    any thread; the recording of the trip happens-before every `check()` that returns False.
    """

    def __init__(
        self,
        *,
        allow_gil: bool = False,
        on_trip: Callable[[GilTrip], None] | None = None,
        extension_tracker: ExtensionTracker = tracker,
        is_gil_enabled: Callable[[], bool] | None = None,
        free_threaded_build: bool = FREE_THREADED_BUILD,
    ) -> None:
        self.allow_gil = allow_gil
        self.on_trip = on_trip
        self._tracker = extension_tracker
        self._is_gil_enabled = is_gil_enabled or sys._is_gil_enabled
        self._build = free_threaded_build
        self._lock = threading.Lock()
        self._phase = Phase.START
        self._trip: GilTrip | None = None
        self._seen_on = False  # the last check() saw the GIL on and could not yet say more
        self._watching = False

    @property
    def trip(self) -> GilTrip | None:
        """What switched the GIL on, once something has."""
        return self._trip

    def check_start(self) -> None:
        """Refuse to start with the GIL on.  Raises GilEnabledError unless `allow_gil`."""
        if self._build and self._trip is None and self._is_gil_enabled():
            self._record(GilTrip(phase=Phase.START, culprits=_undeclared(), forced=_forced_on()))
        self._refuse()

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Watch every import of the block.  Raises GilEnabledError at its end, unless `allow_gil`.

        At its end, and not from within the import: code that tries an import and falls back must
        behave as it does anywhere else.
        """
        if not self._build:
            yield
            return
        self._phase = Phase.LOADING
        self._tracker.watch(self._on_extension)
        try:
            try:
                yield
            finally:
                self._tracker.unwatch(self._on_extension)
        except Exception as error:
            self._settle()
            if self._trip is not None and not self.allow_gil:
                # The import may have failed for that reason (RuntimeWarning as an error) or for
                # another: the cause keeps both in sight.
                raise GilEnabledError(self._trip) from error
            raise
        self._settle()
        self._refuse()

    def watch(self) -> None:
        """Serving begins: see the imports that tools make."""
        if self._build and not self._watching:
            self._watching = True
            self._phase = Phase.SERVING
            self._tracker.watch(self._on_extension)

    def unwatch(self) -> None:
        """Serving has ended."""
        if self._watching:
            self._watching = False
            self._tracker.unwatch(self._on_extension)

    def check(self) -> bool:
        """False once the GIL is on and not allowed.  Cheap (one C call): call it every second.

        The import hook reports at once; this catches what came another way.  CPython has the GIL
        on for the length of every import of an extension, so one sighting is a suspicion and the
        next one in a row is a finding.
        """
        if self._trip is not None:
            return self.allow_gil
        if not self._build:
            return True
        if not self._is_gil_enabled() or self._tracker.in_flight:
            self._seen_on = False
            return True
        if not self._seen_on:
            self._seen_on = True
            return True
        self._record(GilTrip(phase=self._phase, culprits=_undeclared()))
        return self.allow_gil

    def describe(self) -> str:
        """The state of the GIL in a few words, for a start message: "off", "on (…)"."""
        if not self._build:
            return "on (this build of Python always has it)"
        if self._is_gil_enabled():
            return "on (allowed by --allow-gil)" if self.allow_gil else "on"
        if getattr(sys.flags, "gil", None) == 0:
            return "off (forced: undeclared extension modules run without it)"
        return "off"

    def _on_extension(self, culprits: tuple[ExtensionLoad, ...]) -> None:
        self._record(GilTrip(phase=self._phase, culprits=culprits))

    def _settle(self) -> None:
        """The import hook saw nothing, and yet the GIL is on."""
        if self._trip is None and not self._tracker.in_flight and self._is_gil_enabled():
            self._record(GilTrip(phase=self._phase, culprits=_undeclared()))

    def _record(self, trip: GilTrip) -> None:
        with self._lock:
            if self._trip is not None:
                return
            self._trip = trip
        if self.allow_gil:
            _log.warning(
                "%s Serving all the same (--allow-gil): tools run one at a time.", trip.headline()
            )
        elif trip.phase is Phase.SERVING:
            _log.error("%s", trip.describe())
            if self.on_trip is not None:
                try:
                    self.on_trip(trip)
                except Exception:  # noqa: BLE001  or a tool's import statement would raise it
                    _log.exception("on_trip failed")

    def _refuse(self) -> None:
        if self._trip is not None and not self.allow_gil:
            raise GilEnabledError(self._trip)


def _undeclared() -> tuple[ExtensionLoad, ...]:
    """The first extension module in import order that did not declare itself safe, if readable.

    The first one switched the GIL on; those after it found it on.
    """
    from ftbridge.guard.declared import undeclared

    names = undeclared(tuple(sys.modules.items()))
    if not names:
        return ()
    spec = getattr(sys.modules.get(names[0]), "__spec__", None)
    return (ExtensionLoad(module=names[0], file=getattr(spec, "origin", None) or ""),)


def _forced_on() -> str:
    """The setting that asked for the GIL, or an empty string."""
    if sys._xoptions.get("gil") == "1":
        return "-X gil=1"
    if not sys.flags.ignore_environment and os.environ.get("PYTHON_GIL") == "1":
        return "PYTHON_GIL=1"
    return ""
