"""A comparison as one HTML page that needs nothing else: the words, and one plot as inline SVG.

Must never put a name from the program into the page as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from ftbridge.compare.result import FREE, GIL, Comparison
from ftbridge.compare.text import number, one_pass
from ftbridge.compare.verdict import Verdict
from ftstress.scaling import Series

type _Scale = Callable[[float], float]

# Pixels of the plot, and of its margins.
_WIDTH: Final = 720
_HEIGHT: Final = 340
_LEFT: Final = 80
_RIGHT: Final = 20
_TOP: Final = 20
_BOTTOM: Final = 50
_COLOURS: Final = {FREE: "#2a6db0", GIL: "#c25b1f"}
_LINES: Final = 4  # of the grid


def page(found: Comparison, verdict: Verdict) -> str:
    """The page."""
    template = Template(files("ftbridge.compare").joinpath("templates/page.html.tmpl").read_text())
    sections = [
        _section(title, told)
        for title, told in (
            ("Figures", verdict.figures),
            ("Why it is not better", verdict.reasons),
            ("What to change", verdict.advice),
            ("Before you believe it", verdict.doubts),
        )
        if told
    ]
    return template.substitute(
        title=escape(f"{found.job.spec}: free-threaded or not?"),
        builds=escape(f"{found.builds[FREE]} and {found.builds[GIL]}"),
        samples=escape(one_pass(found)),
        answer=escape(verdict.answer),
        rounds=found.rounds,
        plot=_plot(found),
        sections="\n".join(sections),
    )


def _section(title: str, lines: Iterable[str]) -> str:
    items = "".join(
        f"<li{' class=part' if line.startswith('  ') else ''}>{escape(line.strip())}</li>"
        for line in lines
    )
    return f"<h2>{escape(title)}</h2>\n<ul>{items}</ul>"


def _plot(found: Comparison) -> str:
    series: dict[str, Series] = {FREE: found.free, GIL: found.gil}
    most = found.most
    ideal = {name: each.rate(1, False).median for name, each in series.items()}
    highest = max(
        each.rate(count, True).high for each in series.values() for count in found.threads
    )
    # The dotted line of the faster build has to fit, too, but must not squeeze the rest.
    top = max(highest, min(max(ideal.values()) * most, highest * 1.6)) * 1.05

    def x(count: float) -> float:
        return _LEFT + (count - 1) / max(1, most - 1) * (_WIDTH - _LEFT - _RIGHT - 40) + 20

    def y(rate: float) -> float:
        return _HEIGHT - _BOTTOM - rate / top * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        'aria-label="Passes a second by threads" font-family="system-ui, sans-serif" '
        'font-size="13">'
    ]
    for step in range(_LINES + 1):
        rate = top * step / _LINES
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(rate):.1f}" y2="{y(rate):.1f}" '
            f'stroke="#ddd"/><text x="{_LEFT - 8}" y="{y(rate) + 4:.1f}" text-anchor="end" '
            f'fill="#555">{number(rate) if rate else 0}</text>'
        )
    parts += [
        f'<text x="{x(count):.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle" '
        f'fill="#555">{count}</text>'
        for count in found.threads
    ]
    parts.append(
        f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle" '
        'fill="#555">threads</text>'
    )
    for place, (name, each) in enumerate(series.items()):
        parts += _line(name, each, found.threads, x, y, top)
        parts.append(
            f'<rect x="{_LEFT + 12}" y="{_TOP + place * 18}" width="12" height="12" '
            f'fill="{_COLOURS[name]}"/><text x="{_LEFT + 30}" y="{_TOP + 11 + place * 18}">'
            f"{escape(name)}</text>"
        )
    return "\n".join([*parts, "</svg>"])


def _line(
    name: str, series: Series, threads: list[int], x: _Scale, y: _Scale, top: float
) -> list[str]:
    colour = _COLOURS[name]
    one = series.rate(1, False).median
    most = min(float(threads[-1]), top / one)
    parts = [
        f'<line x1="{x(1):.1f}" y1="{y(one):.1f}" x2="{x(most):.1f}" y2="{y(one * most):.1f}" '
        f'stroke="{colour}" stroke-dasharray="2 4"/>'
    ]
    rates = [(count, series.rate(count, True)) for count in threads]
    points = " ".join(f"{x(count):.1f},{y(rate.median):.1f}" for count, rate in rates)
    parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
    for count, rate in rates:
        parts.append(
            f'<line x1="{x(count):.1f}" x2="{x(count):.1f}" y1="{y(rate.low):.1f}" '
            f'y2="{y(rate.high):.1f}" stroke="{colour}" stroke-width="1.5"/>'
            f'<circle cx="{x(count):.1f}" cy="{y(rate.median):.1f}" r="4.5" fill="{colour}">'
            f"<title>{escape(name)}, {count} threads: {number(rate.median)} "
            f"({number(rate.low)} to {number(rate.high)})</title></circle>"
        )
    return parts
