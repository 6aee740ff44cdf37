"""`Semaphore` and `BoundedSemaphore`: never more inside than permits, in the order of arrival."""

import pytest
from locks.races import Rendezvous, started, wait_until

import ftlocks
from ftlocks import (
    AcquireTimeoutError,
    BoundedSemaphore,
    Observer,
    Semaphore,
    WouldBlockError,
    observing,
)
from ftstress import run_parallel

KINDS = [Semaphore, BoundedSemaphore]


class Generous(Semaphore):
    """Never runs out."""

    __slots__ = ()

    def acquire(self, blocking=True, timeout=None):
        self._value = 2
        return super().acquire(blocking, timeout)

    __enter__ = acquire


class Barging(Semaphore):
    """Puts a permit back on the table even if somebody waits for it: whoever is quick has it."""

    __slots__ = ()

    def release(self, n=1):
        with self._mutex:
            self._value += n


@pytest.mark.parametrize("kind", [*KINDS, Generous])
def test_no_more_threads_are_inside_than_there_are_permits(kind):
    semaphore = kind(1)
    inside = Rendezvous(expected=kind is Generous)

    def enter():
        with semaphore:
            return inside.meet()

    assert run_parallel(enter, enter) == [kind is Generous] * 2


def test_as_many_threads_are_inside_as_there_are_permits():
    semaphore = Semaphore(3)
    inside = Rendezvous(3, expected=True)

    def enter():
        with semaphore:
            return inside.meet()

    assert run_parallel(enter, enter, enter) == [True] * 3


@pytest.mark.parametrize("kind", [*KINDS, Barging])
def test_a_permit_goes_to_the_one_who_waits_and_not_to_a_newcomer(kind):
    semaphore = kind(1)
    semaphore.acquire()
    with started(lambda: semaphore.acquire(timeout=0.05 if kind is Barging else 20)) as waiting:
        wait_until(lambda: semaphore.statistics().waiting == 1)
        semaphore.release()
        barged = semaphore.acquire(False)
    assert (waiting.result, barged) == ((False, True) if kind is Barging else (True, False))


def test_permits_are_handed_out_in_the_order_of_arrival():
    semaphore = Semaphore(0)
    log = []
    threads = []
    for number in range(3):

        def take(number=number):
            with semaphore:
                log.append(number)

        threads.append(started(take).__enter__())
        wait_until(lambda number=number: semaphore.statistics().waiting == number + 1)
    semaphore.release()  # each of them passes it on
    for thread in threads:
        thread.join()
    assert log == [0, 1, 2]
    assert semaphore.statistics().value == 1


@pytest.mark.parametrize("kind", KINDS)
def test_no_permit_is_lost_under_load(kind):
    semaphore = kind(2)
    run_parallel(*[lambda: semaphore.acquire() and semaphore.release()] * 4, rounds=100)
    assert semaphore.statistics().value == 2
    assert semaphore.statistics().acquisitions == 400


def test_a_permit_given_to_a_thread_that_gave_up_is_not_lost():
    semaphore = Semaphore(0)
    with started(semaphore.acquire) as waiting:
        wait_until(lambda: semaphore.statistics().waiting == 1)
        semaphore._states()[0].waiters[0].interrupt(LookupError("enough"))
        with pytest.raises(LookupError, match="enough"):
            waiting.join()
        waiting.error = None
    semaphore.release()
    assert semaphore.statistics().value == 1


def test_tries_and_timeouts_are_refused_with_the_name():
    semaphore = Semaphore(0, "slots")
    with pytest.raises(WouldBlockError, match="'slots' has no permit"):
        semaphore.acquire_nowait()
    with pytest.raises(AcquireTimeoutError, match=r"'slots' had no permit within 0\.01 s"):
        semaphore.within(0.01).__enter__()
    semaphore.release()
    assert semaphore.acquire_nowait()
    semaphore.release()
    with semaphore.within(1):
        assert semaphore.statistics().value == 0
    assert semaphore.statistics().value == 1


def test_a_bounded_one_names_itself_when_released_too_often():
    with pytest.raises(ValueError, match="'slots' has 2 of 2 permits"):
        BoundedSemaphore(2, "slots").release()
    with pytest.raises(ValueError, match="got -1"):
        Semaphore(-1)
    with pytest.raises(ValueError, match="got 0"):
        Semaphore().release(0)


def test_waits_are_told_and_seen():
    semaphore = Semaphore(0, "slots")
    told = []

    class Watcher(Observer):
        def waited(self, lock, mode, waited_ns, granted):
            told.append((lock.label, mode, granted))

    with observing(Watcher()):
        with started(semaphore.acquire) as waiting:
            wait_until(lambda: semaphore.statistics().waiting == 1)
            assert repr(semaphore).endswith(": value=0 waiting=1>")
            state = next(state for state in ftlocks.states() if state.info is semaphore._info)
            assert [waiter.thread for waiter in state.waiters] == [waiting.thread]
            semaphore.release()
        assert semaphore.acquire(timeout=0.01) is False

    assert told == [("slots", "semaphore", True), ("slots", "semaphore", False)]
    assert semaphore.statistics().contentions == 2


def test_releasing_too_often_names_the_thread_and_the_permits():
    semaphore = BoundedSemaphore(2, "seats")
    semaphore.acquire()
    with (
        pytest.raises(ValueError, match=r"too many times, by thread 'thief': .*'seats' has 1 of 2"),
        started(lambda: semaphore.release(2), "thief"),
    ):
        pass
    semaphore.release()
