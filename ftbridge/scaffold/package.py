"""What a new package consists of, and writing it, all or nothing."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_MAX_NAME: Final = 64

_TAKEN: Final = frozenset(
    {"ftbridge", "ftlocks", "ftstress", "snakepit_bridge", "handlers", "tests"}
)
"""Names that imports in or around the package already have a meaning for."""

_SUFFIX: Final = ".tmpl"


class ScaffoldError(ValueError):
    """The package cannot be written; nothing has been."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written: the folder, and how the adapter is named on the command line."""

    folder: Path
    spec: str
    files: tuple[str, ...]


def write_package(name: str, parent: Path, *, thread_safe: bool, streaming: bool) -> Written:
    """Write the package ``name`` into the folder ``parent``, which is made if need be.

    Args:
        thread_safe: one adapter for all requests, instead of one for each.
        streaming: with a streaming tool.

    Raises:
        ScaffoldError: a bad name, or something of that name is there.
        OSError: the files cannot be written; what had been is gone again.
    """
    check_name(name)
    target = parent / name
    if target.exists() or target.is_symlink():
        raise ScaffoldError(
            f"{target} is there already, and nothing is overwritten: take another name, or "
            "another folder with --dir"
        )
    files = render(name, thread_safe=thread_safe, streaming=streaming)
    parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that one rename makes all of it appear at once.
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
    try:
        for path, text in files.items():
            file = draft / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        draft.chmod(0o777 & ~_umask())  # mkdtemp's folders are private
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Written(
        folder=target, spec=f"{name}.adapter.{class_name(name)}", files=tuple(sorted(files))
    )


def check_name(name: str) -> None:
    """Refuse what cannot be a package's name.

    Raises:
        ScaffoldError: with a name that would do, when there is one near.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        near = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
        near = near.strip("_0123456789")[:_MAX_NAME]
        offer = f"; {near!r} would do" if _NAME.fullmatch(near) and _usable(near) else ""
        raise ScaffoldError(
            f"{name!r} cannot be a package's name: small letters, digits and underscores, a "
            f"letter first, at most {_MAX_NAME}{offer}"
        )
    if not _usable(name):
        raise ScaffoldError(
            f"{name!r} is a word of Python or a module's name already: call it {name}_adapter"
        )


def _usable(name: str) -> bool:
    return not (
        keyword.iskeyword(name)
        or keyword.issoftkeyword(name)
        or name in sys.stdlib_module_names
        or name in _TAKEN
    )


def class_name(name: str) -> str:
    """``my_adapter`` is ``MyAdapter``; ``demo`` is ``DemoAdapter``."""
    camel = "".join(part.capitalize() for part in name.split("_"))
    return camel if camel.endswith("Adapter") else f"{camel}Adapter"


def render(name: str, *, thread_safe: bool, streaming: bool) -> Mapping[str, str]:
    """The package's files: text by path."""
    kind = "thread_safe" if thread_safe else "per_request"
    values = {"name": name, "cls": class_name(name)}
    pieces = {
        "streaming_import": "from collections.abc import Iterator\n" if streaming else "",
        "streaming_handler_import": "numbers, " if streaming else "",
        "streaming_chunk_import": "StreamChunk, " if streaming else "",
        "streaming_tool": _fill("streaming_tool.py", values) if streaming else "",
        "streaming_test": _fill("streaming_test.py", values) if streaming else "",
        "streaming_handler_test": _fill("streaming_handler_test.py", values) if streaming else "",
        "streaming_readme": _fill("streaming_readme.md", values) if streaming else "",
    }
    values |= pieces
    files = {
        "__init__.py": "init.py",
        "py.typed": None,
        "adapter.py": f"adapter_{kind}.py",
        "handlers/__init__.py": "handlers_init.py",
        "handlers/texts.py": "handlers_texts.py",
        "tests/test_adapter.py": f"test_adapter_{kind}.py",
        "tests/test_handlers.py": "test_handlers.py",
        "README.md": "README.md",
        "config.toml": "config.toml",
        "pyproject.toml": "pyproject.toml",
        ".gitignore": "gitignore",
    }
    if streaming:
        files["handlers/numbers.py"] = "handlers_numbers.py"
    return {path: _fill(template, values) if template else "" for path, template in files.items()}


def _fill(template: str, values: Mapping[str, str]) -> str:
    source = resources.files(__package__).joinpath("templates", template + _SUFFIX)
    filled = Template(source.read_text(encoding="utf-8")).substitute(values)
    return filled.rstrip("\n") + "\n"  # an empty piece at the end leaves no empty line


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
