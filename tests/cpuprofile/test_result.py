"""The values of a CPU profile: own and whole time, and the way to JSON and back."""

import json

from ftbridge.cpuprofile import CpuProfile, CpuStack
from ftbridge.cpuprofile.result import folded
from ftlocks._sites import Frame

MS = 1_000_000


def test_functions_have_their_own_time_and_that_of_what_they_call(profile):
    assert [(hot.function, hot.self_ns, hot.total_ns) for hot in profile.functions()] == [
        ("hot", 60 * MS, 90 * MS),  # once for each stack, however often it is on it
        ('<cold & "wet">', 30 * MS, 30 * MS),
        ("<module>", 0, 70 * MS),
    ]


def test_lines_are_told_apart(profile):
    assert [(hot.line, hot.self_ns, hot.total_ns) for hot in profile.lines()] == [
        (3, 40 * MS, 70 * MS),
        (7, 30 * MS, 30 * MS),
        (4, 20 * MS, 20 * MS),
        (9, 0, 70 * MS),
    ]


def test_sums(profile):
    assert profile.sampled_ns == 90 * MS
    assert profile.samples == 9


def test_json_brings_back_the_same(profile):
    assert CpuProfile.from_dict(json.loads(json.dumps(profile.as_dict()))) == profile


def test_equal_stacks_are_one():
    one = CpuStack("a", (Frame("f", "x.py", 1),), 5, 1)
    other = CpuStack("b", (Frame("f", "x.py", 1),), 7, 1)
    assert folded([one, other, one]) == (
        CpuStack("a", one.frames, 10, 2),
        CpuStack("b", one.frames, 7, 1),
    )
