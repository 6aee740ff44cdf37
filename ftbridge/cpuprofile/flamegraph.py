"""A CPU profile as a flame graph: one SVG file that needs nothing else.

After Brendan Gregg, "The Flame Graph" (ACM Queue 14(2), 2016): each box is a function, as wide as
its share of the time, on top of its caller; the order along the x axis is the alphabet's. No
maintained pure-Python package draws one from stacks. The page is `templates/flamegraph.svg.tmpl`;
without scripts it is a still picture. Must never put a name from the program into the page as
markup.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from string import Template
from typing import Final, NamedTuple

from ftbridge.cpuprofile.result import CpuProfile
from ftlocks._sites import short

_WIDTH: Final = 1180.0  # of the whole time, in pixels; the template has the same
_LEFT: Final = 10
_TOP: Final = 65
_ROW: Final = 17
_LEAST: Final = 0.3  # pixels; what is narrower is not drawn
_CHARACTER: Final = 6.6  # pixels of one, about


class _Node:
    __slots__ = ("below", "file", "name", "ns")

    def __init__(self, name: str, file: str) -> None:
        self.name = name
        self.file = file
        self.ns = 0
        self.below: dict[tuple[str, str], _Node] = {}


class _Box(NamedTuple):
    node: _Node
    depth: int
    x: float  # share of the whole, 0 to 1
    share: float


def flamegraph(profile: CpuProfile) -> str:
    """The SVG document. Threads of one name are one tower on the common ground."""
    root = _tree(profile)
    boxes = list(_placed(root, 0, 0.0, root.ns or 1))
    deepest = max(box.depth for box in boxes)
    bottom = _TOP + deepest * _ROW
    page = Template(
        files("ftbridge.cpuprofile").joinpath("templates/flamegraph.svg.tmpl").read_text()
    )
    missing = max(0, profile.cpu_ns - profile.sampled_ns)
    subtitle = (
        f"{profile.interpreter}; {profile.sampled_ns / 1e9:.3f} s of CPU time in {profile.samples} "
        f"samples over {profile.duration_ns / 1e9:.2f} s ({profile.sampler})"
    )
    if missing > profile.cpu_ns / 100:
        subtitle += f"; {missing / profile.cpu_ns:.0%} of all CPU time has no stack"
    return page.substitute(
        height=bottom + _ROW + 10,
        title=escape(f"CPU time: {profile.title}"),
        subtitle=escape(subtitle),
        frames="\n".join(_drawn(box, bottom, root.ns or 1) for box in boxes),
    )


def _tree(profile: CpuProfile) -> _Node:
    root = _Node("all threads", "")
    for stack in profile.stacks:
        root.ns += stack.cpu_ns
        node = root
        path = [(f"thread {stack.thread}", ""), *((each[0], each[1]) for each in stack.frames)]
        for key in path:
            if key not in node.below:
                node.below[key] = _Node(*key)
            node = node.below[key]
            node.ns += stack.cpu_ns
    return root


def _placed(root: _Node, depth: int, x: float, whole: int) -> Iterator[_Box]:
    # A loop, not recursion: programs recurse deeper than this one may.
    waiting = [(root, depth, x)]
    while waiting:
        node, depth, x = waiting.pop()
        share = node.ns / whole
        if depth and share * _WIDTH < _LEAST:
            continue
        yield _Box(node, depth, x, share)
        for key in sorted(node.below):
            below = node.below[key]
            waiting.append((below, depth + 1, x))
            x += below.ns / whole


def _drawn(box: _Box, bottom: int, whole: int) -> str:
    node = box.node
    x, width = _LEFT + box.x * _WIDTH, box.share * _WIDTH
    y = bottom - box.depth * _ROW
    room = int((width - 6) / _CHARACTER)
    label = node.name if len(node.name) <= room else f"{node.name[: room - 1]}\u2026"
    where = f" ({node.file})" if node.file else ""
    told = f"{node.name}{where}: {node.ns / 1e6:,.1f} ms, {node.ns / whole:.1%}"
    return (
        f'<g class="f" data-x="{box.x:.9f}" data-w="{box.share:.9f}" data-d="{box.depth}" '
        f'data-name="{escape(node.name)}"><title>{escape(told)}</title>'
        f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{_ROW - 1}" rx="1" '
        f'fill="{_colour(node)}"/>'
        f'<text x="{x + 3:.2f}" y="{y + 12}">{escape(label) if room >= 3 else ""}</text></g>'
    )


def _colour(node: _Node) -> str:
    """Warm for the program, blue for what is installed, grey for what is no code."""
    if not node.file:
        return "#d5d3cc"
    shade = zlib.crc32(f"{node.name} {short(node.file)}".encode())
    installed = "/lib/python3" in node.file or node.file.startswith("<frozen")
    hue = 200 + shade % 25 if installed else 14 + shade % 42
    return f"hsl({hue}, {55 + shade // 50 % 25}%, {66 + shade // 2000 % 12}%)"
