"""`Gate`: one at a time, in order, and nobody waits longer than its call is worth."""

import threading
import time

import pytest

from ftbridge import SessionContext
from ftbridge.adapters.errors import AdapterError, ToolCancelledError, ToolDeadlineError
from ftbridge.adapters.gate import Gate
from ftstress import run_parallel

PATIENCE = 30.0


def in_thread(function):
    """Run `function` on another thread, to its end; what it raised is raised here."""
    return run_parallel(function, timeout=PATIENCE)[0]


def waiting(gate, count):
    """Return once `count` calls stand before the gate."""
    deadline = time.monotonic() + PATIENCE
    while len(gate._waiting) < count:
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_read_and_write_inside_is_exact_and_outside_is_not(guarded):
    """Both threads are made to read before either writes: only the gate can prevent that."""
    gate = Gate()
    total = [0]
    both_have_read = threading.Barrier(2)

    def add():
        if guarded:
            gate.enter(SessionContext())
        seen = total[0]
        try:
            both_have_read.wait(0.2 if guarded else PATIENCE)
        except threading.BrokenBarrierError:
            pass
        total[0] = seen + 1
        if guarded:
            gate.leave()

    run_parallel(add, add)

    assert total[0] == (2 if guarded else 1)


def test_first_come_first_served():
    gate = Gate()
    gate.enter(SessionContext())
    order = []

    def pass_through(name):
        gate.enter(SessionContext())
        order.append(name)
        gate.leave()

    threads = []
    for name in range(4):
        threads.append(threading.Thread(target=pass_through, args=(name,), daemon=True))
        threads[-1].start()
        waiting(gate, name + 1)
    gate.leave()
    for thread in threads:
        thread.join(PATIENCE)

    assert order == [0, 1, 2, 3]


def test_a_deadline_ends_the_wait_and_gives_the_place_up():
    gate = Gate()
    gate.enter(SessionContext())

    context = SessionContext(deadline=time.monotonic() + 0.02)

    def wait():
        with pytest.raises(ToolDeadlineError):
            gate.enter(context)

    in_thread(wait)

    assert not gate._waiting
    assert not context._callbacks
    gate.leave()
    gate.enter(SessionContext())


def test_a_caller_that_leaves_ends_the_wait():
    gate = Gate()
    gate.enter(SessionContext())
    context = SessionContext()

    def wait():
        with pytest.raises(ToolCancelledError, match="caller left"):
            gate.enter(context)

    def cancel():
        waiting(gate, 1)
        context.cancel("caller left")

    run_parallel(wait, cancel)

    assert not gate._waiting
    assert not context._callbacks
    gate.leave()
    gate.enter(SessionContext())


def test_a_call_let_in_and_cancelled_at_once_lets_the_next_one_in():
    """The hand-over and the cancellation meet: the gate must not be lost between them."""
    gate = Gate()
    gate.enter(SessionContext())

    class Late(SessionContext):
        """Cancelled in the moment in which the waiting call wakes up, its turn come."""

        __slots__ = ()

        def raise_if_cancelled(self):
            if woken.is_set():
                self.cancel("too late")
            super().raise_if_cancelled()

    woken = threading.Event()

    def wait():
        with pytest.raises(ToolCancelledError, match="too late"):
            gate.enter(Late())

    def hand_over():
        waiting(gate, 1)
        woken.set()
        gate.leave()

    run_parallel(wait, hand_over)

    gate.enter(SessionContext(deadline=time.monotonic() + PATIENCE))


def test_another_thread_may_leave():
    gate = Gate()
    gate.enter(SessionContext())
    in_thread(gate.leave)
    gate.enter(SessionContext(deadline=time.monotonic() + PATIENCE))


def test_a_thread_that_would_wait_for_itself_is_told():
    gate = Gate()
    gate.enter(SessionContext())
    with pytest.raises(AdapterError, match="would wait for itself"):
        gate.enter(SessionContext())
    gate.leave()
    gate.enter(SessionContext())


def test_a_call_that_should_stop_does_not_enter():
    gate = Gate()
    context = SessionContext()
    context.cancel()
    with pytest.raises(ToolCancelledError):
        gate.enter(context)
    gate.enter(SessionContext())
