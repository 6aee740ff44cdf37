"""The places that a run comes to."""

import sys

from ftstress.places import CodeMap, codes_of
from ftstress.tracer import Tracer


def sample(items):
    items.append(1)
    number = 2
    one_line = lambda: items.append(number)  # noqa: E731
    one_line()
    for item in items:
        items[0] = item


# On both builds: the GIL build's LINE events would leave out the function of one line.
EXPECTED = [
    ("sample", 1),
    ("sample", 4),
    ("sample.<locals>.<lambda>", 0),
    ("sample", 5),
    ("sample", 6),
    ("sample", 5),
    ("sample", 6),
    ("sample", 5),
]


def test_every_line_that_others_could_notice_is_told_before_it_runs():
    items, told = [], []
    with Tracer(CodeMap(codes_of(sample), "line"), lambda site: told.append((site, len(items)))):
        sample(items)
    places = [(site.place.function, site.place.offset) for site, _ in told]
    assert places == EXPECTED
    assert [length for _, length in told][:3] == [0, 1, 1]


def test_a_second_tracer_sees_what_the_first_had_no_use_for():
    counts = []
    for granularity in ("line", "operation", "line"):
        told = []
        with Tracer(CodeMap(codes_of(sample), granularity), told.append):
            sample([])
        counts.append(len(told))
    assert counts[0] == counts[2] == len(EXPECTED)
    assert counts[1] >= counts[0]


def test_the_tool_is_given_back():
    before = [sys.monitoring.get_tool(tool) for tool in range(6)]
    with Tracer(CodeMap(codes_of(sample), "line"), print):
        assert [sys.monitoring.get_tool(tool) for tool in range(6)] != before
    assert [sys.monitoring.get_tool(tool) for tool in range(6)] == before
