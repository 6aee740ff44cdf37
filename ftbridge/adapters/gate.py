"""One call at a time: the door of an adapter that is served with `--serialize`.

A plain lock will not do. A call may wait here for long, and must give up when its deadline passes
or its caller leaves, or it would keep a handler thread for nothing; and a stream may be closed by
another thread than the one that began it (a garbage collection is enough), which a reentrant lock
answers by staying locked for ever. Must never know what it guards.
"""

from collections import deque
from threading import Event, Lock, get_ident

from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.errors import AdapterError


class Gate:
    """Lets one call in at a time, in the order in which they came.

    Fair: first come, first served; a call that gives up loses its place. Not reentrant.

    Happens-before: `leave()` happens before the `enter()` that it lets in returns.
    """

    __slots__ = ("_busy", "_mutex", "_owner", "_waiting")

    def __init__(self) -> None:
        self._mutex = Lock()  # guards all below, for a few instructions at a time
        self._busy = False
        self._owner = 0  # ident of the thread that entered last
        self._waiting: deque[Event] = deque()

    def enter(self, context: SessionContext) -> None:
        """Wait until no other call is inside.

        Raises `ToolCancelledError` or `ToolDeadlineError` when the call should stop, also when
        that is so from the beginning, and `AdapterError` when this thread waits for itself; the
        call is then not inside.
        """
        context.raise_if_cancelled()
        turn = Event()
        with self._mutex:
            if not self._busy:
                self._busy = True
                self._owner = get_ident()
                return
            if self._owner == get_ident():
                raise AdapterError(
                    "This thread has a call of the serialized adapter open and would wait for "
                    "itself: finish or close that one before the next"
                )
            self._waiting.append(turn)
        try:
            context.add_cancel_callback(turn.set)
            while True:
                turn.wait(context.time_remaining())
                with self._mutex:
                    if turn not in self._waiting:  # a leaving call handed the gate over
                        self._owner = get_ident()
                        break
                    turn.clear()
                context.raise_if_cancelled()
            context.raise_if_cancelled()
        except BaseException:
            with self._mutex:
                inside = turn not in self._waiting
                if not inside:
                    self._waiting.remove(turn)
            if inside:
                self.leave()
            raise
        finally:
            context.remove_cancel_callback(turn.set)

    def leave(self) -> None:
        """Let the next call in. May be called by another thread than the one that entered."""
        with self._mutex:
            self._owner = 0
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._busy = False
