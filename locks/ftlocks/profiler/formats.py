"""Which format a file gets, by its name; and writing it whole or not at all.

Must never leave half a file under the name that was asked for.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ftlocks.profiler import stacks, table
from ftlocks.profiler.html import html
from ftlocks.profiler.pprof import pprof
from ftlocks.profiler.report import Profile
from ftlocks.profiler.trace import chrome_trace


def _json(profile: Profile) -> str:
    return json.dumps(profile.as_dict(), indent=1) + "\n"


def _text(profile: Profile) -> str:
    return table.render(profile, 120) + "\n"


# Name, ending, what makes it. The first ending that fits counts.
FORMATS: Final[dict[str, tuple[str, Callable[[Profile], str | bytes]]]] = {
    "speedscope": (".speedscope.json", stacks.speedscope),
    "trace": (".trace.json", chrome_trace),
    "json": (".json", _json),
    "html": (".html", html),
    "collapsed": (".collapsed", stacks.collapsed),
    "pprof": (".pb.gz", pprof),
    "table": (".txt", _text),
}


def format_of(path: Path, name: str | None = None) -> str:
    """The format's name; `ValueError`, which lists them, where none fits."""
    return format_among(FORMATS, path, name)


def format_among(
    formats: Mapping[str, tuple[str, object]], path: Path, name: str | None = None
) -> str:
    """As `format_of`, for any table from names to endings and something more."""
    if name is None:
        for found, (ending, _) in formats.items():
            if path.name.endswith(ending):
                return found
        endings = ", ".join(f"{ending} ({found})" for found, (ending, _) in formats.items())
        raise ValueError(f"cannot tell the format of {path.name!r}: end its name in {endings}")
    if name not in formats:
        raise ValueError(f"no format {name!r}; there are {', '.join(formats)}")
    return name


def write(profile: Profile, path: Path, name: str | None = None) -> None:
    """Write a report; the file appears complete, and an older one stays if this fails."""
    content = FORMATS[format_of(path, name)][1](profile)
    write_whole(path, content.encode() if isinstance(content, str) else content)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears complete or not at all; an older one stays if this fails."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
