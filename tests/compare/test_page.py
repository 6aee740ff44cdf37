"""The HTML page: complete in itself, with a plot, and no markup from names."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

from ftbridge.compare.page import page
from ftbridge.compare.target import Job
from ftbridge.compare.verdict import judge


def test_the_plot_has_a_point_for_each_number_of_threads(make):
    found = make()
    text = page(found, judge(found))
    drawn = re.search(r"<svg.*</svg>", text, re.S)
    assert drawn is not None
    svg = ElementTree.fromstring(drawn[0])
    assert len(list(svg.iter("circle"))) == 4
    for circle in svg.iter("circle"):
        assert 0 < float(circle.get("cx") or "nan") < 720
        assert 0 < float(circle.get("cy") or "nan") < 340
    assert [line.get("points") is not None for line in svg.iter("polyline")] == [True, True]


def test_names_are_no_markup_and_nothing_is_loaded(make):
    found = make(job=Job("a:<script>alert(1)</script>"))
    text = page(found, judge(found))
    assert "<script" not in text
    assert "http" not in text
    parser = HTMLParser()
    parser.feed(text)
    parser.close()


def test_one_thread_can_be_drawn(make):
    from ftstress.scaling import Series

    one = Series({(1, False): [5.0]})
    found = make(free=(1.0, 1.0, 1.0))
    found = type(found)(
        **{
            **{name: getattr(found, name) for name in found.__dataclass_fields__},
            "free": one,
            "gil": one,
            "processes": (),
        }
    )
    assert "<circle" in page(found, judge(found))
