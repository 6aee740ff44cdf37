"""A race detector that is deaf to the order which some folders' code makes by accident.

Two calls of two clients of a server are ordered by nothing that the code under test may rely on.
Yet they pass through the same queues, and one may find a lock of the transport or of the session
store that the other has just released; a race between them would then be seen only in the runs in
which that did not happen. So what the server's own code takes, releases, puts and gets is not told.
What orders is the rest: the start and end of threads (so that the set-up comes before every call),
and what all other code does.
"""

import sys
from _thread import get_ident
from pathlib import Path
from types import FrameType
from typing import Any

from ftstress.events import Place, Sink
from ftstress.fasttrack import RaceDetector
from ftstress.frames import is_machinery


class Muffled(Sink):
    """Passes on to a race detector what counts.

    Args:
        folders: of the code whose locks, queues and messages order nothing.
    """

    def __init__(self, detector: RaceDetector, folders: tuple[Path, ...]) -> None:
        self._to = detector
        self._deaf = tuple(f"{folder}/" for folder in folders)
        self._silent = 0

    def silent(self, is_silent: bool) -> None:
        """Whether the accesses of the calling thread are to be left out.

        For one that looks at things when nothing else runs, which no event says.
        """
        self._silent = get_ident() if is_silent else 0

    def _counts(self) -> bool:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and is_machinery(frame.f_code.co_filename):
            frame = frame.f_back
        return frame is None or not frame.f_code.co_filename.startswith(self._deaf)

    def access(self, kind: int, target: Any, field: Any, site: Place) -> None:
        if get_ident() != self._silent:
            self._to.access(kind, target, field, site)

    def holds(self, lock: Any, shared: bool) -> None:
        if self._counts():
            self._to.holds(lock, shared)

    def lets_go(self, lock: Any, shared: bool) -> None:
        if self._counts():
            self._to.lets_go(lock, shared)

    def send(self, channel: Any, what: str) -> None:
        if self._counts():
            self._to.send(channel, what)

    def receive(self, channel: Any, what: str) -> None:
        if self._counts():
            self._to.receive(channel, what)

    def starts(self, thread: Any) -> None:
        self._to.starts(thread)

    def begins(self, thread: Any) -> None:
        self._to.begins(thread)

    def ends(self, thread: Any) -> None:
        self._to.ends(thread)

    def joined(self, thread: Any) -> None:
        self._to.joined(thread)
