"""A comparison as text for a terminal or a log. Must use plain characters only."""

from __future__ import annotations

import json
from typing import Final

from ftbridge.compare.result import FREE, GIL, Comparison
from ftbridge.compare.verdict import Verdict
from ftstress.scaling import Series

_BAR: Final = 40  # characters of the longest
_SHOWN: Final = 3  # samples


def render(found: Comparison, verdict: Verdict) -> str:
    """The whole report."""
    lines = [
        f"{found.job.spec}: {found.builds[FREE]} and {found.builds[GIL]}, {found.rounds} rounds in "
        f"turn of {found.seconds:g} s each",
        f"a pass: {one_pass(found)}",
        "",
        verdict.answer,
        "",
        "passes a second, median (lowest to highest):",
        *_plot(found),
        "",
        *verdict.figures,
    ]
    for title, told in (
        ("why it is not better:", verdict.reasons),
        ("what to change:", verdict.advice),
        ("before you believe it:", verdict.doubts),
    ):
        if told:
            lines += ["", title, *[f"  {each}" for each in told]]
    return "\n".join(lines)


def to_json(found: Comparison, verdict: Verdict) -> str:
    """Figures and words as one JSON document."""
    words = {name: getattr(verdict, name) for name in Verdict.__dataclass_fields__}
    return json.dumps({**found.as_dict(), "verdict": words}, indent=1) + "\n"


def rows(found: Comparison) -> list[tuple[str, str, int, float, float, float]]:
    """Label, build, threads, median, lowest and highest of every bar of the plot."""
    bars = []
    shown: tuple[tuple[str, Series], ...] = ((GIL, found.gil), (FREE, found.free))
    for count in found.threads:
        for name, series in shown:
            rate = series.rate(count, True)
            label = f"{name}, {count} thread{'s' if count > 1 else ''}"
            bars.append((label, name, count, rate.median, rate.low, rate.high))
    return bars


def _plot(found: Comparison) -> list[str]:
    bars = rows(found)
    widest = max(len(label) for label, *_ in bars)
    top = max(high for *_, high in bars)
    return [
        f"  {label:<{widest}}  {'#' * max(1, round(median / top * _BAR)):<{_BAR}}  "
        f"{number(median)} ({number(low)} to {number(high)})"
        for label, _, _, median, low, high in bars
    ]


def one_pass(found: Comparison) -> str:
    """The samples in a line, the first few of many."""
    shown = "; ".join(found.samples[:_SHOWN])
    more = len(found.samples) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def number(value: float) -> str:
    """A rate in three digits, or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
