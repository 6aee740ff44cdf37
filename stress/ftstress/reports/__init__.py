"""A report in the formats that people, editors and CI systems read.

A format's module has one function from a `Report` to text and must never run, filter or judge
anything: what counts as a pass is the report's own business.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from ftstress.findings import Report

# Format -> module here (each has a function of the module's name) and the suffix that means it.
_FORMATS: Final = {
    "text": ("text", ".txt"),
    "json": ("json", ".json"),
    "sarif": ("sarif", ".sarif"),
    "junit": ("junit", ".xml"),
    "html": ("html", ".html"),
}
FORMATS: Final = tuple(_FORMATS)


def render(report: Report, form: str) -> str:
    """The report in one of `FORMATS`. Raises ValueError for any other."""
    if form not in _FORMATS:
        raise ValueError(f"format {form!r} is none of {', '.join(FORMATS)}")
    name = _FORMATS[form][0]
    made: Callable[[Report], str] = getattr(import_module(f"{__name__}.{name}"), name)
    return made(report)


def format_of(path: Path) -> str:
    """What the suffix of a file's name means. Raises ValueError where it means nothing."""
    for form, (_, suffix) in _FORMATS.items():
        if path.name.endswith(suffix):
            return form
    suffixes = ", ".join(suffix for _, suffix in _FORMATS.values())
    raise ValueError(
        f"the name {path.name!r} does not tell the format: end it in one of {suffixes}, "
        "or say --format"
    )
