"""The line that tells how far a long run is."""

import io

import pytest

from ftstress import progress
from ftstress.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_it_is_shown_at_most_twice_a_second(clock):
    terminal = Terminal()
    line = Progress(terminal)
    for number in range(1, 11):
        clock[0] = number / 4
        line.count(1000 * number, "runs", "no finding")
    assert terminal.getvalue().count("\r") == 5
    assert terminal.getvalue().endswith("10,000 runs, 4,000/s, 2 s, no finding")
    line.clear()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_nothing_is_written_where_nobody_looks(clock):
    stream = io.StringIO()
    line = Progress(stream)
    clock[0] = 9.0
    line.show("much")
    line.clear()
    assert stream.getvalue() == ""
