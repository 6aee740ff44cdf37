"""Adapters and servers as targets of ``run``: ``pkg.mod:Adapter`` and ``HOST:PORT``.

What hammers them is a room of ftbridge, since it speaks its protocol; it is imported when such a
target is named, and this package works without it. Must never import ftbridge otherwise.
"""

import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from ftstress.findings import Report
from ftstress.suppressions import Suppression
from ftstress.targets import TargetError

_ADDRESS: Final = re.compile(r"(?:[\w.\-]+|\[[0-9a-fA-F:]+\]):\d{1,5}|unix:.+")
_CLASS: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_ROOM: Final = "ftbridge.hammer.target"

PATIENCE: Final = 15.0
"""Seconds after which a call is taken to hang, by default."""

# Called now and then, with what is going on and how many calls have been made.
type Progress = Callable[[str, int], None]


def is_address(target: str) -> bool:
    """Whether it is ``HOST:PORT`` or ``unix:PATH``."""
    return _ADDRESS.fullmatch(target) is not None


def is_adapter(target: str) -> bool:
    """Whether it is ``MODULE:CLASS`` and the class an adapter. Imports the module."""
    if _CLASS.fullmatch(target) is None or ".py:" in target:
        return False
    # Its loader knows adapters that were written for the incumbent, too.
    try:
        loader: Any = importlib.import_module("ftbridge.adapters.loader")
    except ModuleNotFoundError:
        return False
    try:
        loader.load_adapter(target)
    except loader.AdapterLoadError:
        return False
    return True


def adapter_report(
    target: str,
    *,
    seed: int | None = None,
    seconds: float | None = None,
    calls: int | None = None,
    patterns: Sequence[str] = (),
    suppressed: Sequence[Suppression] = (),
    detect: bool = True,
    serialize: bool = False,
    patience: float = PATIENCE,
    progress: Progress | None = None,
) -> Report:
    """Serve an adapter in a process of its own and hammer it (docs/stress-served.md).

    Args:
        seed: of the calls; drawn if None. seconds, calls: when to end, whichever comes first;
            15 seconds where neither is given.
        patterns: of further modules to look into. detect: look for races inside the server.
        serialize: serve it one call at a time.
        patience: seconds after which a call is taken to hang.

    Raises:
        TargetError: the adapter cannot be loaded or served, or ftbridge is not installed.
    """
    return _room(
        "adapter_report",
        target,
        seed=seed,
        seconds=seconds,
        calls=calls,
        patterns=patterns,
        suppressed=suppressed,
        detect=detect,
        serialize=serialize,
        patience=patience,
        progress=progress,
    )


def address_report(
    target: str,
    *,
    seed: int | None = None,
    seconds: float | None = None,
    calls: int | None = None,
    patience: float = PATIENCE,
    progress: Progress | None = None,
) -> Report:
    """Hammer the server at an address, as `adapter_report`, but look at its answers only."""
    return _room(
        "address_report",
        target,
        seed=seed,
        seconds=seconds,
        calls=calls,
        patience=patience,
        progress=progress,
    )


def _room(function: str, target: str, **options: Any) -> Report:
    try:
        room = importlib.import_module(_ROOM)
    except ModuleNotFoundError as missing:
        raise TargetError(
            f"{target!r} needs ftbridge, which is not installed here ({missing})"
        ) from missing
    try:
        report = getattr(room, function)(target, **options)
    except ValueError as error:
        raise TargetError(str(error)) from error
    assert isinstance(report, Report)
    return report
