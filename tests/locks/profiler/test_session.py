"""Starting, stopping, and asking for the report meanwhile."""

import pytest
from locks.profiler.contention import contended, profiled
from locks.races import started, wait_until

import ftlocks


def test_a_report_can_be_had_while_it_runs_with_those_who_wait():
    lock = ftlocks.RLock("stuck")

    def take():
        with lock:
            pass

    with profiled() as run:
        lock.acquire()
        with started(take, name="late"):
            wait_until(lambda: lock.statistics().waiting == 1)
            (pending,) = run.report().pending
            lock.release()
        after = run.report()

    assert (pending.label, pending.thread) == ("stuck", "late")
    assert pending.owners[0].startswith("MainThread")
    assert pending.stack[0].function.endswith("take")
    assert pending.waited_ns > 0
    assert after.pending == ()


def test_it_ends_and_costs_nothing_afterwards():
    lock = ftlocks.Lock("hot")
    bare = type(lock.acquire)
    with profiled() as run:
        assert type(lock.acquire) is not bare or lock.acquire.__self__ is not lock._raw
        with lock:
            pass
    with lock:
        pass

    assert lock.acquire.__self__ is lock._raw
    assert run.report().locks[0].acquisitions == 1
    assert run.report().duration_ns == run.report().duration_ns
    run.stop()


def test_a_profile_runs_once():
    with profiled() as run:
        pass
    with pytest.raises(RuntimeError, match=r"started before; ftlocks\.profile\(\)"):
        run.start()


@pytest.mark.parametrize(
    ("option", "value"), [("threshold", -1), ("depth", 0), ("events", -1), ("sample", 0)]
)
def test_options_that_make_no_sense_are_named(option, value):
    with pytest.raises(ValueError, match=rf"{option} must .*{value}"):
        ftlocks.profile(**{option: value})


def test_the_title_is_the_program_unless_given():
    assert contended(title="mine")[0].title == "mine"
    assert ftlocks.profile().report().title


def test_two_profiles_at_once_each_have_all():
    lock = ftlocks.Lock("hot")
    with profiled() as outer:
        with lock:
            pass
        with profiled() as inner, lock:
            pass

    assert outer.report().locks[0].acquisitions == 2
    assert inner.report().locks[0].acquisitions == 1
