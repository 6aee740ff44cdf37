"""Interleavings that a primitive's guarantee forbids, made certain where the guarantee is gone.

Every forbidden thing here is a meeting: two threads inside a block that admits one. With the
guarantee the meeting is called off after a moment; without it, it takes place at once.
"""

import threading

CALLED_OFF_SECONDS = 0.1  # how long threads wait for a meeting that the primitive prevents
SURE_SECONDS = 20.0  # and for one that must happen


class Rendezvous:
    """A place inside a guarded block where threads meet if they can."""

    def __init__(self, parties=2, *, expected):
        self._barrier = threading.Barrier(parties)
        self._seconds = SURE_SECONDS if expected else CALLED_OFF_SECONDS

    def meet(self):
        """Whether the others came; never waits again once one has not."""
        try:
            self._barrier.wait(self._seconds)
        except threading.BrokenBarrierError:
            return False
        return True


def wait_until(condition):
    """Return as soon as `condition()` holds: for what another thread does just before it blocks.

    Polls because a thread cannot announce that it is blocked; fails instead of hanging.
    """
    pause = threading.Event()
    for _ in range(20_000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("what was waited for did not happen within 20 s")


class started:  # noqa: N801  # reads as a word in `with started(...)`
    """A thread that runs `function` and has ended, without an error, when the block ends."""

    def __init__(self, function, name=None):
        self.error = None
        self.result = None
        self._function = function
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self):
        try:
            self.result = self._function()
        except BaseException as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def join(self):
        self.thread.join(SURE_SECONDS)
        assert not self.thread.is_alive(), "the thread still runs"
        if self.error is not None:
            raise self.error
        return self.result

    def __exit__(self, kind, error, trace):
        if error is None:
            self.join()


class Unlocked:
    """A lock that forgot to lock."""

    def acquire(self, blocking=True, timeout=-1):
        return True

    def release(self):
        pass

    def locked(self):
        return False

    def _recursion_count(self):
        return 1

    def _is_owned(self):
        return True

    __enter__ = acquire

    def __exit__(self, *_):
        pass
