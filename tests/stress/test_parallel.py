"""`run_parallel`: results in order, every failure heard, hangs named."""

import threading

import pytest

from ftstress import run_parallel, together


def test_results_come_in_the_order_of_the_functions_round_by_round():
    counts = {"a": 0, "b": 0}

    def step(name):
        counts[name] += 1
        return name, counts[name]

    results = run_parallel(lambda: step("a"), lambda: step("b"), rounds=2)

    assert results == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_each_function_has_a_thread_of_its_own_and_all_run_at_once():
    meeting = threading.Barrier(3, timeout=30)

    def meet():
        meeting.wait()  # passes only if the other two are running now
        return threading.get_ident()

    assert len(set(run_parallel(meet, meet, meet))) == 3


def test_every_exception_is_collected():
    def fail(error):
        raise error

    with pytest.raises(ExceptionGroup) as caught:
        run_parallel(
            lambda: fail(ValueError("one")), lambda: None, lambda: fail(KeyError("two")), timeout=30
        )

    assert {type(error) for error in caught.value.exceptions} == {ValueError, KeyError}


def test_a_failure_ends_the_other_functions_rounds_without_adding_noise():
    rounds = []

    def fail():
        raise ValueError("in the first round")

    with pytest.raises(ExceptionGroup) as caught:
        run_parallel(lambda: rounds.append(1), fail, rounds=1000)

    assert [type(error) for error in caught.value.exceptions] == [ValueError]
    assert len(rounds) == 1


def test_an_exit_is_reported_too():
    def leave():
        raise SystemExit(3)

    with pytest.raises(BaseExceptionGroup) as caught:
        run_parallel(leave)

    assert isinstance(caught.value.exceptions[0], SystemExit)


def test_a_hang_names_its_thread_alone_and_keeps_what_others_raised():
    release = threading.Event()

    def hang():
        release.wait(60)

    def fail():
        raise ValueError("beside the hang")

    try:
        with pytest.raises(TimeoutError, match=r"0\.2 s: parallel-1-.*hang$") as caught:
            run_parallel(lambda: None, hang, fail, timeout=0.2)
    finally:
        release.set()

    assert isinstance(caught.value.__cause__, ExceptionGroup)


def test_a_thread_that_waits_for_the_next_round_is_not_called_late():
    release = threading.Event()

    def hang():
        release.wait(60)

    try:
        with pytest.raises(TimeoutError) as caught:
            run_parallel(lambda: None, hang, rounds=2, timeout=0.2)
    finally:
        release.set()

    assert "parallel-1" in str(caught.value)
    assert "parallel-0" not in str(caught.value)


@pytest.mark.parametrize(("functions", "rounds"), [((), 1), ((int,), 0)])
def test_refuses_nothing_to_do(functions, rounds):
    with pytest.raises(ValueError, match=r"at least"):
        run_parallel(*functions, rounds=rounds)


def test_together_gives_the_results_in_order_and_raises_what_was_raised():
    assert together(lambda: 1, lambda: 2) == [1, 2]

    def fail():
        raise KeyError("one")

    with pytest.raises(KeyError, match="one"):
        together(fail, lambda: 1)
    with pytest.raises(ExceptionGroup) as caught:
        together(fail, fail)
    assert [str(error) for error in caught.value.exceptions] == ["'one'", "'one'"]


def test_together_runs_at_once():
    meeting = threading.Barrier(2, timeout=30)
    assert sorted(together(meeting.wait, meeting.wait)) == [0, 1]
