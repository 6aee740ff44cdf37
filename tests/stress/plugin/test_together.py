"""Tests on several threads at once, and beside each other, in runs of their own."""

from stress.plugin.runs import GIL, passed, run

pytest_plugins = "pytester"

PARALLEL = """
import threading
import pytest

names = set()
counts = []

@pytest.fixture
def box():
    return []

@pytest.mark.ftstress(threads=3, rounds=4)
def test_shared(box):
    names.add(threading.current_thread().name)
    counts.append(id(box))

@pytest.mark.ftstress(threads=3, rounds=2, fixtures="thread")
def test_each(box):
    box.append(1)
    counts.append(id(box))

def test_after():
    assert len(names) == 3
    assert counts.count(counts[0]) == 12
    assert [counts.count(each) for each in set(counts[12:])] == [2, 2, 2]
"""


def test_a_body_runs_on_threads_with_fixtures_as_wanted(pytester):
    result = run(pytester, PARALLEL)
    result.assert_outcomes(**({"skipped": 2, "passed": 1} if GIL else {"passed": 3}))
    result.stdout.fnmatch_lines(
        [
            "*= ftstress =*",
            "*test_it.py::test_shared: 3 threads, 4 rounds, * calls/s",
            "*test_it.py::test_each: 3 threads, 2 rounds, * calls/s",
        ]
    )


FAILING = """
import threading
import pytest

meeting = threading.Barrier(3)
order = iter(range(9))

@pytest.mark.ftstress(threads=3, rounds=5)
def test_one_of_them():
    meeting.wait()
    assert next(order) != 5, "the sixth call"
"""


def test_a_failure_tells_the_round_and_shows_the_test(pytester):
    result = run(pytester, FAILING)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*assert next(order) != 5*",
            "*the sixth call*",
            "*in round 2 of 3 threads at once; 1 of them failed*",
        ]
    )


TIMED = """
import pytest
calls = []

@pytest.mark.ftstress(time=0.05)
def test_timed():
    calls.append(1)

def test_after():
    assert len(calls) >= 20 and len(calls) % 20 == 0  # 2 threads, batches of 10 rounds
"""


def test_a_time_is_kept_and_the_command_line_has_the_last_word(pytester):
    run(pytester, TIMED).assert_outcomes(**({"skipped": 1, "passed": 1} if GIL else {"passed": 2}))
    run(pytester, TIMED, "--ftstress-time", "0.01").assert_outcomes(
        **({"skipped": 1, "passed": 1} if GIL else {"passed": 2})
    )


AGAINST = """
import threading
import pytest

meeting = threading.Barrier(2, timeout=20)
boxes = []

@pytest.fixture
def box(request):
    boxes.append([])
    yield boxes[-1]

def test_left(box):
    box.append(threading.get_ident())
    meeting.wait()

class TestRight:
    def test_right(self, box):
        box.append(threading.get_ident())
        meeting.wait()
        assert box == [threading.get_ident()]
"""


def test_different_tests_run_beside_each_other_with_fixtures_each(pytester):
    result = run(pytester, AGAINST, "--ftstress-against", "--ftstress-rounds", "3")
    result.assert_outcomes(**passed(2))
    result.stdout.fnmatch_lines(
        ["*test_it.py::test_left: 3 rounds beside test_it.py::TestRight::test_right, */s"]
    )


STEPPING = """
import threading
entered, reset = threading.Event(), threading.Event()
total = {"n": 0}

def test_count():
    total["n"] = 30
    entered.set()
    reset.wait(20)
    seen = total["n"]
    entered.clear()
    reset.clear()
    assert seen == 30

def test_reset():
    entered.wait(20)
    total["n"] = 0
    reset.set()
"""


def test_a_test_that_another_disturbs_fails_with_the_command_that_repeats_it(pytester):
    result = run(pytester, STEPPING, "--ftstress-against")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            ">*assert seen == 30",
            "*in round 1 beside test_it.py::test_reset*",
            "*again: python -m pytest test_it.py::test_count test_it.py::test_reset "
            "--ftstress-against 1 --ftstress-rounds 1*",
        ]
    )


ALONE = """
import pytest

def test_output(capsys):
    print("x")
    assert capsys.readouterr().out == "x\\n"

@pytest.mark.ftstress(alone=True)
def test_marked():
    pass

def test_warning():
    with pytest.warns(UserWarning):
        import warnings
        warnings.warn("w")

def test_free():
    pass
"""


def test_what_belongs_to_the_whole_process_runs_alone(pytester):
    result = run(pytester, ALONE, "--ftstress-against", "3")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "*test_output: ran alone: it uses capsys, which the whole process shares",
            "*test_warning: ran alone: it uses *warns*, which the whole process shares",
            "*test_free: ran alone: there is no other test to run beside it",
        ]
    )


def test_a_module_fixture_of_a_companion_is_set_up_and_torn_down(pytester):
    pytester.makepyfile(
        test_other="""
import pytest
ups = []

@pytest.fixture(scope="module")
def made():
    ups.append(1)
    yield
    ups.pop()

def test_other(made):
    assert ups == [1]
"""
    )
    run(pytester, "def test_here(): pass", "--ftstress-against").assert_outcomes(**passed(2))


def test_it_works_under_xdist(pytester):
    source = PARALLEL.replace("counts[12:]", "[]")
    result = run(pytester, source, "-n", "2", "--dist", "load", "--ftstress-against")
    outcomes = result.parseoutcomes()
    assert outcomes.get("passed", 0) + outcomes.get("skipped", 0) >= 2, outcomes
    result.stdout.fnmatch_lines(["*test_shared: 3 threads, 4 rounds, * calls/s"])
