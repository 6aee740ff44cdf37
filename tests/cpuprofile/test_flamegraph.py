"""The flame graph: valid SVG, widths that are the shares, names that cannot become markup."""

import itertools
import xml.etree.ElementTree as ElementTree

from ftbridge.cpuprofile import CpuProfile, CpuStack
from ftbridge.cpuprofile.flamegraph import flamegraph
from ftlocks._sites import Frame

SVG = "{http://www.w3.org/2000/svg}"


def boxes(text: str) -> list[tuple[str, float, float, int]]:
    """Name, left edge, width, height above ground of each box."""
    groups = [g for g in ElementTree.fromstring(text).iter(f"{SVG}g") if g.get("class") == "f"]
    found = []
    for group in groups:
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        found.append(
            (
                group.get("data-name") or "",
                float(rect.get("x") or "nan"),
                float(rect.get("width") or "nan"),
                int(group.get("data-d") or -1),
            )
        )
    return found


def test_each_box_is_as_wide_as_its_share(profile):
    ninths = sorted(
        (name, depth, round(width / 1180 * 9, 3))
        for name, _, width, depth in boxes(flamegraph(profile))
    )
    assert ninths == [
        ('<cold & "wet">', 4, 3),
        ("<module>", 2, 7),
        ("all threads", 0, 9),
        ("hot", 2, 2),
        ("hot", 3, 2),
        ("hot", 3, 7),  # one box for all its lines
        ("thread main", 1, 7),
        ("thread worker; 1", 1, 2),
    ]


def test_boxes_of_one_row_do_not_overlap(profile):
    rows: dict[int, list[tuple[float, float]]] = {}
    for _, x, width, depth in boxes(flamegraph(profile)):
        rows.setdefault(depth, []).append((x, x + width))
    for spans in rows.values():
        spans.sort()
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert start >= end - 0.02


def test_what_is_too_narrow_is_not_drawn_and_depth_is_no_problem():
    deep = tuple(Frame(f"f{n}", "x.py", n) for n in range(2000))
    drawn = boxes(
        flamegraph(
            CpuProfile(
                title="t",
                sampler="ftbridge",
                interpreter="i",
                rate=1,
                duration_ns=1,
                cpu_ns=1_000_001,
                stacks=(
                    CpuStack("a", deep, 1_000_000, 1),
                    CpuStack("a", (Frame("tiny", "x.py", 1),), 1, 1),
                ),
            )
        )
    )
    assert len(drawn) == 2002
    assert "tiny" not in {name for name, *_ in drawn}


def test_an_empty_profile_is_a_picture_too():
    empty = CpuProfile(
        title="t", sampler="s", interpreter="i", rate=1, duration_ns=1, cpu_ns=0, stacks=()
    )
    assert [name for name, *_ in boxes(flamegraph(empty))] == ["all threads"]


def test_it_says_what_it_does_not_know(profile):
    assert "10% of all CPU time has no stack" in flamegraph(profile)


def test_it_needs_nothing_else(profile):
    text = flamegraph(profile)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
