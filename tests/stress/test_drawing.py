"""Histories as time-lines: what overlaps on paper overlapped, and nothing is lost."""

import xml.etree.ElementTree as ET
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ftstress import drawing
from ftstress.linearizability import WAITS, Operation, Verdict


def op(thread, start, end, name="f", result=0):
    return Operation(thread, name, (), result, start, end)


def test_time_lines_overlap_as_the_operations_did():
    first, second, third = op(0, 1, 5), op(1, 2, 8, "longer"), op(0, 6, 7)
    assert drawing.text([first, second, third]).splitlines() == [
        "thread 0  [f() -> 0  ] [f() -> 0  ]",
        "thread 1    [longer() -> 0          ]",
    ]


def test_a_pending_operation_is_open_to_the_right():
    drawn = drawing.text([op(0, 1, None), op(1, 2, 3)])
    assert drawn.splitlines()[0].startswith("thread 0  [f() -> ?...")
    assert not drawn.splitlines()[0].endswith("]")


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=6
    )
)
def test_in_the_text_one_ends_before_another_begins_only_if_it_did(spans):
    # One thread's operations do not overlap: put each on a line of its own.
    history = [op(row, start, start + length) for row, (_, start, length) in enumerate(spans)]
    lines = {
        int(line.split()[1]): (line.index("["), line.rindex("]"))
        for line in drawing.text(history).splitlines()
    }
    for a in history:
        for b in history:
            if a.returned < b.invoked:
                assert lines[a.thread][1] < lines[b.thread][0]


def test_long_operations_are_shortened_and_have_the_whole_in_the_title():
    long = replace(op(0, 0, 1), arguments=("x" * 80,))
    assert "..." in drawing.text([long])
    assert "x" * 80 in drawing.svg([long])


def test_the_svg_is_well_formed_escaped_and_marks_what_does_not_fit():
    wrong = replace(op(0, 0, 1, "get", "<b>"), arguments=("&",))
    verdict = Verdict(None, (wrong,), (), ((wrong, "a"),))
    figure = ET.fromstring(drawing.svg([wrong, op(1, 0, None)], verdict))
    svg = "{http://www.w3.org/2000/svg}"
    boxes = list(figure.iter(f"{svg}rect"))
    assert len(boxes) == 2
    assert boxes[0].get("fill") != boxes[1].get("fill")
    assert boxes[1].get("stroke-dasharray")
    assert "get('&') -> '<b>'" in [title.text for title in figure.iter(f"{svg}title")]
    assert "where the model says 'a'" in figure.find("figcaption").text


def test_the_explanation_says_how_far_an_order_goes_and_what_then_does_not_fit():
    a, b, c = op(0, 0, 1, "a"), op(0, 2, 3, "b"), op(1, 2, None, "c")
    told = drawing.explanation(Verdict(None, (a, b, c), (a,), ((b, KeyError), (c, None))))
    assert (
        "in the order a() -> 0, nothing fits next: b() -> 0, where the model says it raises" in told
    )
    assert "c() -> ? could go on, and has not" in told
    told = drawing.explanation(Verdict(None, (a,), (), ((a, WAITS),)))
    assert told.startswith("Already at the beginning, nothing fits next: a() -> 0 would have to")
    assert drawing.explanation(Verdict((a, b), (a, b))).endswith("a() -> 0; b() -> 0")
    assert "nothing can come next" in drawing.explanation(Verdict(None, (a,)))
