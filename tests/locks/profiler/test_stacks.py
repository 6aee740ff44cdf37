"""Collapsed stacks and speedscope files."""

import json

import pytest
from locks.profiler.contention import contended

from ftlocks.profiler import stacks


@pytest.fixture(scope="module")
def report():
    return contended("a;b")[0]


def test_collapsed_stacks_are_outermost_first_and_end_in_the_lock(report):
    lines = dict(line.rsplit(" ", 1) for line in stacks.collapsed(report).splitlines())

    kinds = {path.split(";")[0]: path.split(";") for path in lines}
    assert set(kinds) == {"waiting", "holding up others"}
    assert kinds["waiting"][-1] == "[a,b]"  # a semicolon would be another frame
    assert kinds["waiting"][-2].startswith("contended.<locals>.take (contention.py:")
    assert kinds["holding up others"][-2].startswith("hold_up (contention.py:")
    waited = sum(int(us) for path, us in lines.items() if path.startswith("waiting"))
    assert waited == pytest.approx(report.waiting_ns / 1000, abs=1)


def test_speedscope_has_a_profile_for_each_side_that_adds_up(report):
    told = json.loads(stacks.speedscope(report))

    assert told["$schema"] == stacks.SPEEDSCOPE_SCHEMA
    waiting, holding = told["profiles"]
    assert sum(waiting["weights"]) == waiting["endValue"] == report.waiting_ns
    assert sum(holding["weights"]) == report.locks[0].holders[0].waited_ns
    frames = told["shared"]["frames"]
    innermost = [frames[number]["name"] for number in waiting["samples"][0][-2:]]
    assert innermost == ["contended.<locals>.take", "[a;b]"]
    for profile in told["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert all(number < len(frames) for sample in profile["samples"] for number in sample)
