"""The report on a terminal."""

import re

from locks.profiler.contention import contended, profiled

import ftlocks
from ftlocks.profiler.table import duration, number, render


def test_the_first_row_names_the_lock_and_the_lines_below_who_and_where():
    report, _ = contended("catalogue")

    lines = render(report, 100).splitlines()
    assert re.match(
        r"test: .*, 2 threads seen, .* of waiting for locks \(Python 3.*GIL o", lines[0]
    )
    assert lines[2].split()[:2] == ["lock", "share"]
    assert lines[3].split()[:2] == ["catalogue", "100.0%"]
    assert any("while held by hold_up (contention.py:" in line for line in lines)
    assert any("waited at contended.<locals>.take (contention.py:" in line for line in lines)
    assert all(len(line) <= 100 for line in lines[2:4])
    assert lines[-1].startswith("note: quantiles")


def test_a_long_name_keeps_its_end():
    lock = ftlocks.Lock("a" * 200 + " the end")
    with profiled() as run, lock:
        pass

    row = render(run.report(), 100).splitlines()[3]
    assert row.startswith("...")
    assert "the end  " in row


def test_nothing_to_tell_is_said():
    with profiled() as run:
        pass

    assert "No lock was taken that is profiled." in run.report().table()


def test_times_have_three_digits_and_a_unit():
    shown = [duration(ns) for ns in (0, 999, 1500, 123_456, 45_600_000, 7_000_000_000)]
    assert shown == ["0 ns", "999 ns", "1.5 us", "123 us", "45.6 ms", "7 s"]


def test_counts_are_shortened():
    assert [number(n) for n in (7, 99_999, 123_456, 5_000_000)] == ["7", "99999", "123k", "5M"]
