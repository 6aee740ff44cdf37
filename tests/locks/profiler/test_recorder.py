"""What is recorded of what happens: waits, holds, who held, and what is no contention."""

import asyncio
import threading

import pytest
from locks.profiler.contention import HOLD_NS, contended, hold_up, profiled
from locks.races import started, wait_until

import ftlocks
from ftlocks.profiler import recorder
from ftlocks.profiler.report import place_of


def _only(report):
    (lock,) = report.locks
    return lock


def test_a_wait_is_counted_with_its_length_and_the_places_of_both():
    report, (least, most) = contended()

    lock = _only(report)
    assert (lock.label, lock.acquisitions, lock.contentions) == ("hot", 2, 1)
    assert least <= lock.wait.total_ns <= most
    assert lock.wait.max_ns == lock.wait.total_ns
    assert lock.share == 1
    waiting = next(place for place in lock.places if place.contentions)
    assert waiting.stack[0].function.endswith("contended.<locals>.take")
    assert waiting.stack[0].file.endswith("contention.py")


def test_the_holder_is_charged_with_its_stack_at_the_release():
    report, (least, most) = contended()

    (holder,) = _only(report).holders
    assert holder.stack[0].function == "hold_up"
    assert (holder.releases, holder.waiters) == (1, 1)
    assert least <= holder.waited_ns <= most
    assert holder.waited_ns + _only(report).handover_ns == _only(report).wait.total_ns
    holding = next(i for i, thread in enumerate(report.threads) if thread.name == "MainThread")
    waiting = next(i for i, thread in enumerate(report.threads) if thread.name == "late")
    assert report.blocked == {(holding, waiting): holder.waited_ns}


def test_two_who_wait_are_charged_twice():
    lock = ftlocks.Lock("hot")

    def take():
        with lock:
            pass

    with profiled() as run, started(lambda: None), lock:
        threads = [threading.Thread(target=take) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: lock.statistics().waiting == 2)
        since = [waiter.since_ns for waiter in lock._states()[0].waiters]
        wait_until(lambda: recorder.clock() - max(since) > HOLD_NS)
    for thread in threads:
        thread.join()

    here = [h for h in _only(run.report()).holders if h.waiters == 2]
    assert len(here) == 1
    assert here[0].waited_ns >= 2 * HOLD_NS


def test_the_timeline_has_both_and_who_was_waited_for():
    report, _ = contended()

    main = next(i for i, thread in enumerate(report.threads) if thread.name == "MainThread")
    late = next(thread for thread in report.threads if thread.name == "late")
    wait, hold = late.stretches
    assert (wait.kind, hold.kind) == ("wait", "hold")
    assert wait.after == main
    assert wait.start_ns < wait.after_ns <= wait.end_ns <= hold.start_ns <= hold.end_ns


def test_a_reentrant_acquisition_is_none():
    lock = ftlocks.RLock("again")
    with profiled() as run, lock, lock, lock:
        pass

    assert _only(run.report()).acquisitions == 1


@pytest.mark.parametrize("make", [ftlocks.Condition, lambda: threading.Condition(ftlocks.Lock())])
def test_the_wait_in_a_condition_is_no_contention(make):
    with profiled() as run:
        condition = make()
        with condition:
            condition.wait(0.002)
        with condition:
            pass

    lock = _only(run.report())
    assert (lock.contentions, lock.waiting_ns, lock.gave_up) == (0, 0, 0)
    assert lock.acquisitions == 3  # the way back from the wait is one
    assert lock.hold.max_ns < 2_000_000


def test_what_is_awaited_is_told_apart():
    with profiled() as run:
        event = ftlocks.Event("ready")
        assert not event.wait(0.002)

    report = run.report()
    (idle,) = report.idle
    assert (idle.label, idle.mode, idle.count, idle.timeouts) == ("ready", "event", 1, 1)
    assert idle.total_ns >= 2_000_000
    assert report.waiting_ns == 0
    assert [stretch.kind for thread in report.threads for stretch in thread.stretches] == ["idle"]


def test_a_wait_that_gave_up_is_lost_time_but_no_acquisition():
    lock = ftlocks.Lock("busy")
    with profiled() as run, lock, started(lambda: lock.acquire(timeout=0.002)) as late:
        assert late.join() is False

    report = _only(run.report())
    assert (report.acquisitions, report.contentions, report.gave_up) == (1, 0, 1)
    assert 2_000_000 <= report.gave_up_ns == report.waiting_ns


def test_waits_below_the_threshold_are_only_counted():
    report, (least, _) = contended(threshold=60)

    lock = _only(report)
    assert (lock.contentions, lock.short_waits, lock.wait.total_ns) == (0, 1, 0)
    assert lock.short_waits_ns >= least
    assert not any(s.kind == "wait" for thread in report.threads for s in thread.stretches)
    assert any("60000000 us" in note or "6e+07 us" in note for note in report.notes)


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_read_write_lock_names_the_one_who_kept_others_out(mode):
    lock = ftlocks.RWLock("settings")

    def write():
        with lock.write():
            pass

    with profiled() as run:
        least, most = hold_up(
            getattr(lock, f"acquire_{mode}"),
            getattr(lock, f"release_{mode}"),
            write,
            lambda: lock.statistics().writers_waiting == 1,
        )

    report = _only(run.report())
    assert report.contentions == 1
    assert least <= report.wait.total_ns <= most
    assert report.holders[0].stack[0].function == "hold_up"
    assert report.holders[0].waited_ns >= least


def test_a_keyed_lock_names_the_one_who_kept_the_key():
    lock = ftlocks.KeyedLock("users")

    def take():
        with lock.hold(7):
            pass

    with profiled() as run:
        least, _ = hold_up(
            lambda: lock.acquire(7),
            lambda: lock.release(7),
            take,
            lambda: lock.statistics().waiting == 1,
        )

    report = _only(run.report())
    assert report.contentions == 1
    assert report.holders[0].stack[1].function == "hold_up"  # under the lambda
    assert report.holders[0].waited_ns >= least


def test_async_code_is_charged_to_the_coroutine_that_holds_over_an_await():
    lock = ftlocks.Lock("shared")

    async def hold_over_await(entered, may_leave):
        with lock:
            entered.set()
            await asyncio.to_thread(may_leave.wait, 20)

    def take():
        with lock:
            pass

    with profiled() as run:
        entered, may_leave = threading.Event(), threading.Event()
        loop = threading.Thread(
            target=asyncio.run, args=(hold_over_await(entered, may_leave),), name="loop"
        )
        loop.start()
        assert entered.wait(20)
        with started(take):
            wait_until(lambda: lock.statistics().waiting == 1)
            may_leave.set()
        loop.join()

    report = next(each for each in run.report().locks if each.label == "shared")
    assert (report.acquisitions, report.contentions) == (2, 1)
    assert report.holders[0].stack[0].function.endswith("hold_over_await")


def test_a_lock_let_go_by_another_thread_is_charged_to_that_thread():
    lock = ftlocks.Lock("token")

    def take():
        with lock:
            pass

    def hand_over():
        with started(lock.release):
            pass

    with profiled() as run:
        hold_up(lock.acquire, hand_over, take, lambda: lock.statistics().waiting == 1)

    (holder,) = _only(run.report()).holders
    assert "release" in place_of(holder.stack) or holder.stack[0].function == "started._run"


def test_locks_made_in_one_place_are_one_row():
    with profiled() as run:
        for _ in range(5):
            with ftlocks.Lock():
                pass

    lock = _only(run.report())
    assert lock.acquisitions == 5
    assert lock.label.startswith("Lock made at test_recorder.py:")


def test_estimates_of_a_sample_are_near_and_marked():
    lock = ftlocks.Lock("often")
    with ftlocks.profile(sample=64) as run:
        for _ in range(5000):
            with lock:
                pass

    report = run.report()
    assert 4900 <= _only(report).acquisitions <= 5000
    assert _only(report).hold.count == _only(report).acquisitions
    assert "1 in 64 is timed" in report.notes[0]


def test_the_timeline_keeps_the_newest_and_says_what_it_lost():
    lock = ftlocks.Lock("often")
    with profiled(events=10) as run:
        for _ in range(25):
            with lock:
                pass

    (thread,) = run.report().threads
    assert (len(thread.stretches), thread.lost) == (10, 15)


def test_threads_that_ended_are_put_together_when_there_are_many(monkeypatch):
    monkeypatch.setattr(recorder, "MAX_BUFFERS", 4)
    lock = ftlocks.Lock("often")

    def take():
        with lock:
            pass

    with profiled() as run:
        for _ in range(20):
            with started(take):
                pass

    report = run.report()
    assert _only(report).acquisitions == 20
    assert len(report.threads) <= 5
    assert "threads that ended" in [thread.name for thread in report.threads]


def test_nothing_is_recorded_before_the_lock_is_free(monkeypatch):
    free = []
    lock = ftlocks.Lock("hot")
    original = recorder.Recorder.released

    def released(self, hold):
        free.append(lock.acquire_nowait())
        lock._raw.release()
        original(self, hold)

    monkeypatch.setattr(recorder.Recorder, "released", released)
    with profiled(), lock:
        pass

    assert free[0]
