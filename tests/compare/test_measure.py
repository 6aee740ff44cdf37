"""Workers of both builds taking turns: a tiny real run, and failures with the build's name."""

import sys
import sysconfig
from pathlib import Path

import pytest

from ftbridge.builds import BuildError, find, probe
from ftbridge.compare.measure import Worker, compare
from ftbridge.compare.result import FREE, GIL
from ftbridge.compare.target import Job
from ftbridge.compare.worker import WorkerError
from ftstress.machine import Control

JOBS = "compare.jobs"


@pytest.fixture(autouse=True)
def found_from_tests(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])


def _both():
    try:
        return find(free_threaded=True), find(free_threaded=False)
    except BuildError:
        return None


BOTH = _both()
both = pytest.mark.skipif(BOTH is None, reason="needs both builds")


@both
def test_a_real_run_has_every_figure():
    told: list[str] = []
    found = compare(
        Job(f"{JOBS}:locked"),
        *BOTH,
        threads=[1, 2],
        rounds=2,
        seconds=0.02,
        tell=told.append,
        machine=lambda: Control((2.0,)),
    )
    for series in (found.free, found.gil):
        assert sorted(series.rates) == [(1, False), (2, False), (2, True)]
        assert all(len(rates) == 2 and min(rates) > 0 for rates in series.rates.values())
    assert len(found.processes) == 2
    assert min(found.memory[FREE], found.memory[GIL]) > 1 << 20
    assert found.gil_on is False
    assert found.samples == ("[]",)
    assert 0 <= found.waiting <= 1
    assert found.losses is not None
    assert told[0].startswith("the machine")
    assert "round 2 of 2" in told


def test_an_adapter_runs_and_its_prints_disturb_nobody(tmp_path, monkeypatch):
    (tmp_path / "chatty.py").write_text("def f():\n    print('{not json')\n")
    monkeypatch.chdir(tmp_path)
    with Worker(probe(Path(sys.executable)), Job("chatty:f")) as worker:
        figure = worker.ask("measure", threads=2, shared=True, seconds=0.01)
    assert figure["rate"] > 0
    assert figure["gil"] is not bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def test_the_locks_that_are_waited_for_have_their_lines():
    with Worker(probe(Path(sys.executable)), Job(f"{JOBS}:asleep"), locks=True) as worker:
        told = worker.ask("locks", threads=2, seconds=0.3)
    assert 0.2 < told["share"] <= 1  # half of both threads' time, but for how exact sleeping is
    (lock,) = told["locks"]
    assert lock["label"].startswith("Lock made at jobs.py:")
    assert lock["waited_at"].startswith("asleep (jobs.py:")
    assert lock["held_at"].startswith("asleep (jobs.py:")


def test_a_job_that_fails_is_told_with_its_build_and_traceback():
    build = probe(Path(sys.executable))
    with (
        pytest.raises(WorkerError, match="LookupError: nothing here") as caught,
        Worker(build, Job(f"{JOBS}:failing")),
    ):
        pass
    assert str(caught.value).startswith(f"on {build}: ")
    assert "in failing" in str(caught.value)


def test_a_job_that_kills_its_process_is_told(tmp_path, monkeypatch):
    (tmp_path / "dying.py").write_text(
        "import os\ncalls = []\ndef f():\n    calls.append(1)\n"
        "    if len(calls) > 1:\n        os._exit(3)\n"
    )
    monkeypatch.chdir(tmp_path)
    with (
        Worker(probe(Path(sys.executable)), Job("dying:f")) as worker,
        pytest.raises(WorkerError, match="ended, or took too long"),
    ):
        worker.ask("measure", threads=1, shared=False, seconds=0.01)
