"""Making one call and recording it, and how many more may be made.

Must never judge what comes back.
"""

import threading
import time
from collections.abc import Mapping

from ftbridge.client import (
    NO_RETRIES,
    CallError,
    Client,
    DeadlineExceededError,
    Session,
    ToolError,
)
from ftbridge.hammer.records import Call, ToolCases


class Budget:
    """How much may still be done, in seconds and calls. Shared by all threads."""

    def __init__(self, seconds: float | None, calls: int | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._limit = calls
        self._lock = threading.Lock()
        self.calls = 0
        self._over = False

    def take(self) -> bool:
        """Whether another call may be made; it is then counted."""
        with self._lock:
            if self._over or self.is_over():
                return False
            self.calls += 1
            return True

    def is_over(self) -> bool:
        return (
            self._over
            or (self._limit is not None and self.calls >= self._limit)
            or (self._deadline is not None and time.monotonic() >= self._deadline)
        )

    def end(self) -> None:
        """Let nobody make another call."""
        self._over = True


class Caller:
    """One thread's connection, and the calls it has made."""

    def __init__(self, address: str, number: int, name: str, patience: float) -> None:
        self.client = Client(address, retry=NO_RETRIES)
        self._patience = patience
        self.number = number
        self.calls: list[Call] = []
        self.own = self.client.session(f"stress-{name}-{number}")

    def call(
        self,
        case: ToolCases,
        arguments: Mapping[str, object],
        session: Session | None,
        *,
        stream: bool = False,
        take: int | None = None,
        timeout: float | None = None,
    ) -> Call:
        """Make a call and record it. `take`: leave a stream after so many chunks.

        timeout: of this call; the default is what a call may take before it is said to hang.
        """
        by = session or self.client
        timeout = self._patience if timeout is None else timeout
        value: object = None
        error: str | None = None
        message = ""
        complete = True
        try:
            if stream:
                value, complete = self._read(by, case.name, arguments, take, timeout)
            else:
                value = by.call(case.name, arguments, timeout=timeout)
        except ToolError as failed:
            error, message = failed.type, failed.message
        except DeadlineExceededError:
            error = "DEADLINE_EXCEEDED"
        except CallError as failed:
            error, message = failed.code.name, failed.details
        made = Call(
            case.name,
            dict(arguments),
            "" if session is None else session.session_id,
            value,
            error,
            message,
            stream,
            complete,
            self.number,
            len(self.calls),
        )
        self.calls.append(made)
        return made

    def _read(
        self,
        by: Client | Session,
        tool: str,
        arguments: Mapping[str, object],
        take: int | None,
        timeout: float,
    ) -> tuple[list[object], bool]:
        chunks: list[object] = []
        reading = by.stream(tool, arguments, timeout=timeout)
        try:
            if take == 0:
                return chunks, False
            for chunk in reading:
                chunks.append(chunk)
                if len(chunks) == take:
                    return chunks, False
        finally:
            reading.close()
        return chunks, True
