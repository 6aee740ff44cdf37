"""`Once` and `Lazy`: one thread computes, the others wait, a failure is never kept."""

import pytest
from locks.races import Rendezvous, Unlocked, started, wait_until

from ftlocks import AcquireTimeoutError, Lazy, LockMisuseError, Once, WouldBlockError
from ftstress import run_parallel


@pytest.mark.parametrize("weakened", [False, True])
def test_one_thread_computes_and_all_have_its_result(weakened, monkeypatch):
    if weakened:
        monkeypatch.setattr("ftlocks.mutex._CRLock", Unlocked)
    once = Once()
    computing = Rendezvous(expected=weakened)
    results = []

    def compute():
        computing.meet()
        results.append(object())
        return results[-1]

    got = run_parallel(*[lambda: once.call(compute)] * 2)

    assert len(results) == (2 if weakened else 1)
    assert (got[0] is got[1]) is not weakened
    assert once.done


def test_a_failure_is_its_threads_own_and_the_next_one_tries():
    once = Once("config")
    failing = Rendezvous(2, expected=True)

    def fail():
        failing.meet()
        wait_until(lambda: computing_and_waiting == [True])
        raise ConnectionError("down")

    computing_and_waiting = []

    def first():
        with pytest.raises(ConnectionError):
            once.call(fail)

    with started(first):
        failing.meet()
        with started(lambda: once.call(lambda: "up")) as second:
            computing_and_waiting.append(True)
    assert second.result == "up"
    assert once.call(fail) == "up"
    assert once.statistics().failures == 1


def test_none_is_a_result_like_any_other():
    calls = []
    lazy = Lazy(lambda: calls.append(1))
    assert lazy.get() is lazy.get() is lazy.get_nowait() is None
    assert calls == [1]
    assert lazy.statistics().done


def test_waiting_may_run_out_and_names_who_computes():
    lazy = Lazy(lambda: (running.meet(), running.meet()), "model")
    running = Rendezvous(expected=True)

    with started(lazy.get, name="loader"):
        running.meet()
        with pytest.raises(AcquireTimeoutError, match=r"Lazy 'model' .*loader .* after 0\.01 s"):
            lazy.get(timeout=0.01)
        with pytest.raises(WouldBlockError, match=r"'model' is being computed by thread loader"):
            lazy.get_nowait()
        assert lazy.peek("none yet") == "none yet"
        assert "being computed by thread loader" in repr(lazy)
        assert lazy.statistics().computing.name == "loader"
        running.meet()
    assert lazy.peek("none yet") == (True, True)
    assert lazy.statistics().compute_ns > 0
    assert repr(lazy).endswith(": (True, True)>")


def test_a_function_that_asks_for_its_own_result_is_told():
    lazy = Lazy(lambda: lazy.get(), "ouroboros")
    with pytest.raises(LockMisuseError, match="'ouroboros' asks for its own result"):
        lazy.get()
    assert not lazy.done
    assert "not computed yet" in repr(lazy)


def test_a_result_that_exists_takes_no_lock():
    lazy = Lazy(lambda: 1)
    lazy.get()
    with lazy._lock:
        assert run_parallel(lazy.get, lazy.get_nowait) == [1, 1]
