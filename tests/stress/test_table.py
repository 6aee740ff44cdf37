"""The table of a run."""

import pytest

from ftstress import explore
from stress import classics


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


def table_of(test):
    return explore(test, iterations=100, max_steps=2000, raises=False).failure.table


def cells(table):
    return [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]


def test_there_is_a_column_a_thread_and_a_row_a_step():
    table = table_of(classics.lost_update)
    rows = cells(table)
    assert rows[0][1:] == ["main lost_update", "main.1 add", "main.2 add"]
    assert table.splitlines()[-1].startswith("=> AssertionError in main")
    adds = [(row.index("self.value += 1"), row[0]) for row in rows if "self.value += 1" in row]
    assert sorted(column for column, _ in adds) == [2, 3]
    assert all(place.startswith("classics.py:") for _, place in adds)


def test_a_switch_within_a_line_is_shown_before_and_after():
    rows = cells(table_of(classics.lost_update))
    texts = [" ".join(cell for cell in row[1:] if cell) for row in rows]
    stopped = texts.index("stops before: store value")
    resumed = texts.index("... store value")
    assert stopped < resumed
    assert "self.value += 1" in texts[stopped:resumed]


def test_a_deadlock_shows_what_each_waits_for():
    table = table_of(classics.abba)
    assert table.count("waits for the Lock of") >= 2
    assert "held by main.2" in " ".join(table.split())


def test_long_stretches_are_shortened():
    def test():
        box = []
        for number in range(50):
            box.append(number)
            box.append(number)
        raise ValueError(len(box))

    table = table_of(test)
    assert "more steps" in table
    assert len(table.splitlines()) < 30
