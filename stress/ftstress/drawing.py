"""A history as time-lines, one a thread: in text, and as SVG for a page.

Time is not to scale: what counts is which operations overlap, and every call and return has a place
of its own from left to right. Must never check anything.
"""

import html
from collections.abc import Sequence
from typing import Final

from ftstress.linearizability import WAITS, Operation, Verdict

_LABEL: Final = 40  # characters of an operation; longer ones are shortened
_CHARACTER: Final = 7.3  # pixels of a character of the SVG's font
_ROW: Final = 44  # pixels from one thread to the next
_MARGIN: Final = 80  # pixels for the threads' names


def _label(operation: Operation) -> str:
    text = str(operation)
    return text if len(text) <= _LABEL else text[: _LABEL - 3] + "..."


def _columns(history: Sequence[Operation]) -> tuple[dict[tuple[int, bool], int], int]:
    """Where calls (False) and returns (True) of each stamp are, in characters; the whole width."""
    moments = sorted(
        {(each.invoked, False) for each in history}
        | {(each.returned, True) for each in history if each.returned is not None}
    )
    columns: dict[tuple[int, bool], int] = {}
    column = 0
    for stamp, is_return in moments:
        for each in history:
            if is_return and each.returned == stamp:
                column = max(column, columns[each.invoked, False] + len(_label(each)) + 3)
        columns[stamp, is_return] = column
        column += 2
    for each in history:
        if each.returned is None:
            column = max(column, columns[each.invoked, False] + len(_label(each)) + 5)
    return columns, column


def text(history: Sequence[Operation]) -> str:
    """Lines such as ``thread 1  [add(1) -> 1 ]``; ``[get() -> ? ...`` where it did not return."""
    columns, width = _columns(history)
    lines = []
    for thread in sorted({each.thread for each in history}):
        line = [" "] * (width + 1)
        for each in history:
            if each.thread != thread:
                continue
            start = columns[each.invoked, False]
            end = width if each.returned is None else columns[each.returned, True]
            bar = f"[{_label(each)}"
            if each.returned is None:
                bar = bar.ljust(end - start, ".")
            else:
                bar = bar.ljust(end - start) + "]"
            line[start : start + len(bar)] = bar
        lines.append(f"thread {thread}  {''.join(line)}".rstrip())
    return "\n".join(lines)


def explanation(verdict: Verdict) -> str:
    """Why no order explains it: how far the longest one goes, and what does not fit then."""
    if verdict.order is not None:
        return "An order that explains it: " + "; ".join(map(str, verdict.order))
    if verdict.longest:
        begin = f"Taken one by one in the order {'; '.join(map(str, verdict.longest))}, "
    else:
        begin = "Already at the beginning, "
    if not verdict.refused:
        return begin + "nothing can come next."
    wrong = []
    for operation, answer in verdict.refused:
        if answer is WAITS:
            wrong.append(f"{_label(operation)} would have to wait")
        elif operation.returned is None:
            wrong.append(f"{_label(operation)} could go on, and has not")
        else:
            wrong.append(f"{_label(operation)}, where the model says {_shown(answer)}")
    return f"{begin}nothing fits next: {'; '.join(wrong)}. No other order goes further."


def _shown(answer: object) -> str:
    if isinstance(answer, type) and issubclass(answer, BaseException):
        return f"it raises {answer.__name__}"
    return repr(answer)


def svg(history: Sequence[Operation], verdict: Verdict | None = None) -> str:
    """A figure, as a fragment of HTML that needs nothing else.

    Operations that fit nowhere have another colour and, like all, a title with the whole text.
    """
    columns, width = _columns(history)
    wrong = {id(each) for each, _ in verdict.refused} if verdict is not None else set()
    threads = sorted({each.thread for each in history})
    pixels = _MARGIN + (width + 2) * _CHARACTER
    height = _ROW * len(threads) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {pixels:.0f} {height}" '
        f'width="{pixels:.0f}" role="img" font-family="monospace" font-size="12">'
    ]
    for row, thread in enumerate(threads):
        y = 8 + row * _ROW
        parts.append(f'<text x="0" y="{y + 20}" fill="currentColor">thread {thread}</text>')
        parts.append(
            f'<line x1="{_MARGIN}" x2="{pixels:.0f}" y1="{y + 16}" y2="{y + 16}" stroke="#8884"/>'
        )
        for each in history:
            if each.thread != thread:
                continue
            start = _MARGIN + columns[each.invoked, False] * _CHARACTER
            last = width + 1 if each.returned is None else columns[each.returned, True] + 1
            end = (
                _MARGIN
                + max(last, columns[each.invoked, False] + len(_label(each)) + 2) * _CHARACTER
            )
            fill = "#f3b0a8" if id(each) in wrong else "#cfe0f5"
            dashes = ' stroke-dasharray="4 3"' if each.returned is None else ""
            parts.append(
                f'<g><title>{html.escape(str(each))}</title><rect x="{start:.0f}" y="{y}" '
                f'width="{end - start:.0f}" height="32" rx="4" fill="{fill}" '
                f'stroke="#456"{dashes}/><text x="{start + 6:.0f}" y="{y + 20}" '
                f'fill="#111">{html.escape(_label(each))}</text></g>'
            )
    parts.append("</svg>")
    caption = ""
    if verdict is not None:
        caption = f"<figcaption>{html.escape(explanation(verdict))}</figcaption>"
    return f'<figure class="history">{"".join(parts)}{caption}</figure>'
