"""Files of a CPU profile, by their endings."""

import json
from pathlib import Path

import pytest

from ftbridge.cpuprofile import formats


def test_collapsed_stacks_add_up(profile):
    lines = formats.collapsed(profile).splitlines()
    assert lines[1] == (
        'main;<module> (run.py:9);hot (run.py:3);<cold & "wet"> (json/__init__.py:7) 30000'
    )
    assert lines[2].startswith("worker, 1;hot (run.py:4)")  # ";" separates
    assert sum(int(line.rpartition(" ")[2]) for line in lines) * 1000 == profile.sampled_ns


def test_speedscope_has_a_profile_for_each_thread(profile):
    told = json.loads(formats.speedscope(profile))
    assert [each["name"] for each in told["profiles"]] == ["main", "worker; 1"]
    assert [each["endValue"] for each in told["profiles"]] == [70_000_000, 20_000_000]
    first = told["profiles"][0]["samples"][0]
    assert [told["shared"]["frames"][n]["name"] for n in first] == ["<module>", "hot"]


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.svg", "<svg "),
        ("a.speedscope.json", '{"$schema"'),
        ("a.collapsed", "main;"),
        ("a.json", '{\n "title"'),
        ("a.txt", "run.py <1>: "),
    ],
)
def test_the_ending_says_the_format(profile, tmp_path, name, start):
    profile.write(tmp_path / name)
    assert (tmp_path / name).read_text().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_format_may_be_named(profile, tmp_path):
    profile.write(tmp_path / "a.out", "collapsed")
    assert (tmp_path / "a.out").read_text().startswith("main;")


def test_an_unknown_ending_lists_those_there_are():
    with pytest.raises(ValueError, match=r"format of 'a\.csv'.*\.speedscope\.json"):
        formats.format_of(Path("a.csv"))
    with pytest.raises(ValueError, match="no format 'csv'; there are speedscope"):
        formats.format_of(Path("a.svg"), "csv")
