"""The file behind `--config`: TOML or JSON, a table at its top.

What is in it is the adapter's business; here only its form counts.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click


def read_config(
    ctx: click.Context, param: click.Parameter, path: Path | None
) -> Mapping[str, object]:
    """click callback: the file's content, empty without a file; exit status 2 for a bad one."""
    if path is None:
        return {}
    try:
        return parse_config(path)
    except ValueError as error:
        raise click.BadParameter(f"{path}: {error}", ctx, param) from None
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror or error}", ctx, param) from None


def parse_config(path: Path) -> Mapping[str, object]:
    """The content of a TOML or JSON file, told apart by its suffix.

    Raises:
        ValueError: it is neither, is malformed (with the place), or has no table at its top.
        OSError: it cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in _PARSERS:
        raise ValueError(f"the suffix {path.suffix!r} says neither .toml nor .json")
    name, parse = _PARSERS[kind]
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise ValueError(f"not {name}: {error}") from None
    except RecursionError:
        raise ValueError(f"not {name} that can be read: nested too deep") from None
    if not isinstance(content, dict):
        held = type(content).__name__
        raise ValueError(f"holds {held}, where an object with names is needed")  # noqa: TRY004
    return content


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def _parse_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_no_duplicates)


_PARSERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    ".toml": ("TOML", tomllib.loads),
    ".json": ("JSON", _parse_json),
}
