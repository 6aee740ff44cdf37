"""Parameter descriptions out of a docstring, in the three styles that people write.

Google (`Args:` and indented `name: text`), NumPy (`Parameters` underlined, `name : type`) and
Sphinx (`:param name: text`). A docstring in no known style yields nothing, never an error.
"""

import inspect
import re
from typing import Final

_GOOGLE_HEAD: Final = re.compile(r"(Args|Arguments|Parameters|Params):\s*$")
_GOOGLE_ITEM: Final = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_NUMPY_ITEM: Final = re.compile(r"\*{0,2}(\w+)\s*(?::.*)?$")
_SPHINX_ITEM: Final = re.compile(r":param\s+(?:[^:]*\s)?\*{0,2}(\w+):\s*(.*)$")


def summary(docstring: str | None) -> str:
    """The first paragraph on one line, or an empty string."""
    if not docstring:
        return ""
    return " ".join(inspect.cleandoc(docstring).split("\n\n", 1)[0].split())


def parameter_descriptions(docstring: str | None) -> dict[str, str]:
    """Parameter name -> its text on one line."""
    if not docstring:
        return {}
    lines = inspect.cleandoc(docstring).splitlines()
    return _google(lines) or _numpy(lines) or _sphinx(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _google(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    start = next((i for i, line in enumerate(lines) if _GOOGLE_HEAD.match(line.strip())), None)
    if start is None:
        return {}
    section, item = _indent(lines[start]), None
    current: list[str] = []
    for line in lines[start + 1 :]:
        if not line.strip():
            continue
        depth = _indent(line)
        if depth <= section:
            break
        match = _GOOGLE_ITEM.match(line.strip())
        if match and (item is None or depth <= item):
            item = depth
            current = found.setdefault(match[1], [])
            current.append(match[2])
        else:
            current.append(line.strip())
    return {name: " ".join(text).strip() for name, text in found.items()}


def _numpy(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    start = next(
        (
            i
            for i, line in enumerate(lines[:-1])
            if line.strip() == "Parameters" and set(lines[i + 1].strip()) == {"-"}
        ),
        None,
    )
    if start is None:
        return {}
    section = _indent(lines[start])
    current: list[str] = []
    body = lines[start + 2 :]
    for position, line in enumerate(body):
        if not line.strip():
            continue
        following = body[position + 1].strip() if position + 1 < len(body) else ""
        if following and set(following) == {"-"}:  # the next section's title
            break
        match = _NUMPY_ITEM.match(line.strip()) if _indent(line) == section else None
        if match:
            current = found.setdefault(match[1], [])
        else:
            current.append(line.strip())
    return {name: " ".join(text).strip() for name, text in found.items()}


def _sphinx(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        match = _SPHINX_ITEM.match(line.strip())
        if match:
            current = found.setdefault(match[1], [])
            current.append(match[2])
        elif line.strip().startswith(":") or not line.strip():
            current = None
        elif current is not None:
            current.append(line.strip())
    return {name: " ".join(text).strip() for name, text in found.items()}
