"""The worker's own profile of CPU time, and what it says of itself."""

import sys
import sysconfig
from pathlib import Path

import pytest

from ftbridge.builds import probe
from ftbridge.compare.measure import Worker
from ftbridge.compare.target import Job


@pytest.fixture(autouse=True)
def found_from_tests(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])


def test_it_says_what_it_runs_on_and_where_time_goes():
    with Worker(probe(Path(sys.executable)), Job("compare.jobs:locked")) as worker:
        assert worker.hello["gil"] is not bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
        assert worker.hello["gil_modules"] == []
        assert worker.hello["samples"] == ["[]"]
        for _ in range(20):  # a busy machine gives few samples
            told = worker.ask("cpu", threads=1, seconds=0.3)
            if told["functions"]:
                break
    assert told["samples"] > 0
    assert all(0 < each["self"] <= 1 for each in told["functions"])
    assert "ftstress" not in str(told["functions"])
