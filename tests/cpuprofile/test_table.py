"""The table of a CPU profile."""

import dataclasses

from ftbridge.cpuprofile.table import render


def test_the_table(profile):
    assert (
        render(profile)
        == """\
run.py <1>: 100 ms of CPU time in 80 ms (CPython 3.13.5, free-threaded, GIL off; \
9 samples by ftbridge)

    self    total  function
   66.7%   100.0%  hot (run.py)
   33.3%    33.3%  <cold & "wet"> (json/__init__.py)
    0.0%    77.8%  <module> (run.py)

    self    total  line
   44.4%    77.8%  hot (run.py:3)
   33.3%    33.3%  <cold & "wet"> (json/__init__.py:7)
   22.2%    22.2%  hot (run.py:4)

threads: main 78%, worker; 1 22%

note: 10% of the CPU time has no stack: threads that ended before they were looked at, or are not \
Python's
note: said here"""
    )


def test_nothing_seen(profile):
    assert "No thread was seen at work." in render(dataclasses.replace(profile, stacks=()))
