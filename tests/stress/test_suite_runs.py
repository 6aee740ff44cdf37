"""Suites: every scenario holds, and what breaks one is found by each way of running it."""

import importlib
import importlib.util
import sys
import threading
from pathlib import Path

import pytest

from ftstress import mutants, suite_runs
from ftstress.suite_runs import Request, reports, scenarios, suite_report
from ftstress.suites import SUITES
from ftstress.targets import TargetError

GIL = sys._is_gil_enabled()
EVERY = [
    (name, scenario)
    for name, module in SUITES.items()
    for scenario in scenarios(importlib.import_module(module))
]


@pytest.mark.parametrize(
    ("suite", "scenario"), EVERY, ids=[f"{name}-{one.__name__}" for name, one in EVERY]
)
def test_the_scenario_holds_as_it_runs(suite, scenario):
    scenario()


def test_every_suite_says_what_it_tests():
    for module in map(importlib.import_module, SUITES.values()):
        assert module.__doc__
        assert scenarios(module)
        for name in module.MODULES:
            assert importlib.import_module(name)


def test_a_whole_suite_passes_and_says_what_it_did():
    report = suite_report("once", seconds=0.5, iterations=40)

    assert report.findings == ()
    assert report.status == (2 if GIL else 0)
    assert any("parallel" in explored.how for explored in report.explored)
    assert any("PCT" in explored.how for explored in report.explored)


def test_a_broken_module_is_found_by_schedules(tmp_path):
    source = Path(importlib.util.find_spec("ftbridge.bridge.registry").origin).read_text("utf-8")
    broken = tmp_path / "broken.py"
    broken.write_text(mutants.without(source, "with self._lock:", instead="if True:"), "utf-8")
    replaced = {"ftbridge.bridge.registry": str(broken)}

    (report,) = reports(
        Request("registry", "schedules", seconds=20.0, iterations=200, replaced=replaced)
    )

    assert "registry:" in report.findings[0].subject
    assert report.findings[0].table is not None


def test_a_scenario_that_hangs_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(suite_runs, "HANG_SECONDS", 0.2)

    class Stuck:
        @staticmethod
        def scenario():
            threading.Event().wait()

    Stuck.scenario.__module__ = "stuck"
    module = type(sys)("stuck")
    module.scenario = Stuck.scenario

    report = suite_runs._parallel(Request("once", "parallel", rounds=1), module)

    assert [finding.kind for finding in report.findings] == ["deadlock"]


def test_there_is_no_such_suite():
    with pytest.raises(TargetError, match="there is no suite 'nothing'; there are"):
        suite_report("nothing")
