"""A lock taken out of the session store, the registry or the pool is caught, ten times of ten."""

import importlib.util
from pathlib import Path

import pytest

from ftstress import mutants
from ftstress.suite_runs import Request, reports

TIMES = 10
LOCK = "with self._lock:"
ROOMS = {
    "sessions": "ftbridge.bridge.sessions",
    "registry": "ftbridge.bridge.registry",
    "pool": "ftbridge.rpc.pool",
}


def source(module):
    return Path(importlib.util.find_spec(module).origin).read_text("utf-8")


LOCKS = [
    (suite, number)
    for suite, module in ROOMS.items()
    for number in range(source(module).count(LOCK))
]


def test_each_of_the_three_has_locks():
    assert {suite for suite, _ in LOCKS} == set(ROOMS)


@pytest.mark.parametrize("suite", ROOMS)
def test_as_it_is_nothing_is_found(suite):
    found = reports(Request(suite, "races", attempts=TIMES))

    assert [finding.text for report in found for finding in report.findings] == []


@pytest.mark.parametrize(("suite", "number"), LOCKS)
def test_a_lock_that_is_taken_out_is_caught_each_time(tmp_path, suite, number):
    module = ROOMS[suite]
    broken = tmp_path / "broken.py"
    broken.write_text(mutants.without(source(module), LOCK, instead="if True:", which=number))

    found = reports(Request(suite, "races", attempts=TIMES, replaced={module: str(broken)}))

    assert len(found) == TIMES
    assert all(report.findings for report in found)
