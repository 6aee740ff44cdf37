"""A plot as SVG: bars with their range, or lines over ordered categories."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from .report import Plot
from .spread import Spread

WIDTH = 900
_LEFT = 240
_RIGHT = 80
_BAR = 15
_GAP = 16
_TOP = 40
_LINES_HEIGHT = 300

COLOURS = (
    "#2a6fdb",
    "#e0912f",
    "#7a7f87",
    "#3c9d6b",
    "#a259c4",
    "#c94f4f",
    "#3aa6b9",
    "#8a6d3b",
    "#d46aa5",
)
"""Told apart by people who see few colours by their order too, which the legend keeps."""


def draw(plot: Plot) -> str:
    """The element, its title and its legend included."""
    drawn = _lines(plot) if plot.kind == "lines" else _bars(plot)
    body, height = drawn
    legend, more = _legend(plot, height)
    title = f'<text x="0" y="16" font-weight="600">{escape(plot.title)}</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {height + more}" width="{WIDTH}" role="img"'
        f' aria-label="{escape(plot.title)}">{title}{body}{legend}</svg>'
    )


def ticks(top: float) -> list[float]:
    """About five round numbers from 0 on, the last at ``top`` or above."""
    if top <= 0:
        return [0.0, 1.0]
    raw = top / 5
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
    return [step * number for number in range(math.ceil(top / step) + 1)]


def _values(plot: Plot) -> Iterator[Spread]:
    for values in plot.series.values():
        yield from (value for value in values if value is not None)


def _scale(plot: Plot) -> list[float]:
    tops = [value.high for value in _values(plot)]
    return ticks(max([*tops, plot.limit or 0.0], default=1.0))


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _bars(plot: Plot) -> tuple[str, int]:
    marks = _scale(plot)
    room = WIDTH - _LEFT - _RIGHT

    def x(value: float) -> float:
        return _LEFT + room * value / marks[-1]

    out = []
    y = _TOP
    for index, category in enumerate(plot.categories):
        start = y
        for number, values in enumerate(plot.series.values()):
            value = values[index]
            if value is None:
                continue
            colour = COLOURS[number % len(COLOURS)]
            width = x(value.median) - _LEFT
            middle = y + _BAR / 2 - 1
            out.append(
                f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}"'
                f' fill="{colour}"/><line class="range" x1="{x(value.low):.1f}" y1="{middle}"'
                f' x2="{x(value.high):.1f}" y2="{middle}"/>'
                f'<text x="{x(value.high) + 5:.1f}" y="{y + _BAR - 4}">{_text(value.median)}</text>'
            )
            y += _BAR
        if y > start:
            out.append(
                f'<text x="{_LEFT - 8}" y="{(start + y) / 2 + 4:.1f}" text-anchor="end">'
                f"{escape(category)}</text>"
            )
            y += _GAP
    grid = [
        f'<line class="grid" x1="{x(mark):.1f}" y1="{_TOP - 6}" x2="{x(mark):.1f}" y2="{y}"/>'
        f'<text class="faint" x="{x(mark):.1f}" y="{y + 14}" text-anchor="middle">'
        f"{_text(mark)}</text>"
        for mark in marks
    ]
    if plot.limit is not None:
        at = x(plot.limit)
        out.append(f'<line class="limit" x1="{at:.1f}" y1="{_TOP - 6}" x2="{at:.1f}" y2="{y}"/>')
    out.append(
        f'<text class="faint" x="{WIDTH}" y="{y + 14}" text-anchor="end">{escape(plot.unit)}</text>'
    )
    return "".join([*grid, *out]), y + 26


def _lines(plot: Plot) -> tuple[str, int]:
    marks = _scale(plot)
    bottom = _TOP + _LINES_HEIGHT
    left, right = 70, WIDTH - _RIGHT
    steps = max(len(plot.categories) - 1, 1)

    def x(index: int) -> float:
        return left + (right - left) * index / steps

    def y(value: float) -> float:
        return bottom - _LINES_HEIGHT * value / marks[-1]

    out = [
        f'<line class="grid" x1="{left}" y1="{y(mark):.1f}" x2="{right}" y2="{y(mark):.1f}"/>'
        f'<text class="faint" x="{left - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">'
        f"{_text(mark)}</text>"
        for mark in marks
    ]
    out += [
        f'<text class="faint" x="{x(index):.1f}" y="{bottom + 18}" text-anchor="middle">'
        f"{escape(category)}</text>"
        for index, category in enumerate(plot.categories)
    ]
    for number, values in enumerate(plot.series.values()):
        colour = COLOURS[number % len(COLOURS)]
        found = [(x(i), value) for i, value in enumerate(values) if value is not None]
        points = " ".join(f"{at:.1f},{y(value.median):.1f}" for at, value in found)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [
            f'<line class="range" x1="{at:.1f}" y1="{y(value.low):.1f}" x2="{at:.1f}"'
            f' y2="{y(value.high):.1f}"/>'
            f'<circle cx="{at:.1f}" cy="{y(value.median):.1f}" r="4" fill="{colour}"/>'
            for at, value in found
        ]
    if plot.limit is not None:
        out.append(
            f'<line class="limit" x1="{left}" y1="{y(plot.limit):.1f}" x2="{right}"'
            f' y2="{y(plot.limit):.1f}"/>'
        )
    out.append(f'<text class="faint" x="{left}" y="{_TOP - 6}">{escape(plot.unit)}</text>')
    return "".join(out), bottom + 30


def _legend(plot: Plot, top: int) -> tuple[str, int]:
    out = []
    x, y = 0, top + 6
    for number, name in enumerate(plot.series):
        width = 30 + 7 * len(name)
        if x and x + width > WIDTH:
            x, y = 0, y + 20
        colour = COLOURS[number % len(COLOURS)]
        out.append(
            f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>'
            f'<text x="{x + 17}" y="{y + 10}">{escape(name)}</text>'
        )
        x += width
    return "".join(out), y - top + 20
