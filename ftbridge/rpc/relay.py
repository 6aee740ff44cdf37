"""Lets a role's thread run short work itself, and passes the role on when the work is not short.

A reactor that hands every small call to another thread pays more for the hand-over than for the
call. One that runs calls itself is fast until a call blocks: then every connection it owns stands
still. The relay has it both ways, as Go's scheduler does with its monitor thread ("sysmon", which
takes the processor away from a thread that stays in a system call): while the role's holder runs
something, it leaves a ticket; a second thread that finds the same ticket on two patrols takes it,
and with it the role. Whoever returns from its work and finds its ticket gone stands by in turn.

Knows nothing of sockets or gRPC.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable

from .pool import Runnable

_log = logging.getLogger("ftbridge.rpc")

PATROL_SECONDS = 0.002
"""Time between two looks at the ticket. Work that lasts longer than one to two of these loses the
role; shorter would cost a busy core more than the 0.1 to 0.3 percent that this does."""

_QUIET_PATROLS = 100
"""Patrols without a ticket after which the second thread sleeps until it is called."""

_SLEEP_SECONDS = 1.0  # the longest sleep: a missed call is made good after it


class Relay:
    """Two threads, one role: one holds it, the other stands by.

    Everything the holder did before `lend` happens before what a successor does with the role:
    the ticket's deque, whose lock both take, orders the two.

    Args:
        name: of the threads, as debuggers show it.
        on_leave: called on each thread before it ends; must not raise.
        patrol: seconds between two looks at the ticket.
        role: ``role(seat)`` does what the role is for. It returns True when a `lend` of its own
            returned False, the role having gone to the other thread, and False at the end of all.
    """

    def __init__(
        self,
        role: Callable[[int], bool],
        *,
        name: str,
        on_leave: Callable[[], object] | None = None,
        patrol: float = PATROL_SECONDS,
    ) -> None:
        self._role = role
        self._on_leave = on_leave
        self._patrol = patrol
        self._tickets: tuple[deque[int], deque[int]] = (deque(), deque())
        self._number = 0  # of the last ticket; the holder's
        self._working = [False, False]
        self._manned = False
        self._parked = False
        self._stopping = False
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.threads = [
            threading.Thread(target=self._live, args=(seat,), name=label, daemon=True)
            for seat, label in enumerate((name, f"{name}-standby"))
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    @property
    def manned(self) -> bool:
        """Whether somebody stands by: without, `lend` must not be called."""
        return self._manned

    @property
    def busy(self) -> int:
        """Threads that are running work."""
        return sum(self._working)

    def lend(self, seat: int, work: Runnable) -> bool:
        """Run ``work`` on this thread; False when the role is another's by the time it ends.

        After False the caller must touch nothing that belongs to the role, and return.
        """
        ticket = self._tickets[seat]
        self._working[seat] = True
        self._number += 1
        ticket.append(self._number)
        if self._parked:
            self._parked = False
            self._calls.put(None)
        try:
            work.run()
        except BaseException:  # noqa: BLE001 - the role must outlive everything that is run
            _log.exception("unexpected error in %r", work)
        self._working[seat] = False
        try:
            ticket.pop()
        except IndexError:
            return False
        return True

    def stop(self, timeout: float) -> None:
        """End the one who stands by, and wait for both, at most ``timeout`` seconds each.

        The role must be made to return by its own means. A thread whose work does not end is
        left to itself.
        """
        self._stopping = True
        self._calls.put(None)
        for thread in self.threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(timeout)

    def _live(self, seat: int) -> None:
        holder = seat == 0
        while self._role(seat) if holder else self._stand_by(self._tickets[1 - seat]):
            holder = not holder
        if self._on_leave is not None:
            self._on_leave()

    def _stand_by(self, ticket: deque[int]) -> bool:
        """Watch the holder's ticket; True once it has been taken, False at the end."""
        seen = 0
        quiet = 0
        self._manned = True
        while not self._stopping:
            number = _first(ticket)
            if number and number == seen:
                self._manned = False  # first: the new holder has nobody behind it
                try:
                    ticket.pop()
                except IndexError:  # the work ended just now
                    self._manned = True
                else:
                    return True
            seen = number
            quiet = 0 if number else quiet + 1
            if quiet < _QUIET_PATROLS:
                self._pause(self._patrol)
                continue
            # Say that nobody looks, then look once more: `lend` does it the other way round, and
            # the deque's lock, which both take in between, lets one of them see the other.
            # (A subscript takes it; `copy` is no single step and fails beside an append.)
            self._parked = True
            if not _first(ticket):
                self._pause(_SLEEP_SECONDS)
            self._parked = False
            quiet = 0
        self._manned = False
        return False

    def _pause(self, seconds: float) -> None:
        try:
            self._calls.get(timeout=seconds)
        except queue.Empty:
            pass


def _first(ticket: deque[int]) -> int:
    """The ticket's number; 0 when there is none."""
    try:
        return ticket[0]
    except IndexError:
        return 0
