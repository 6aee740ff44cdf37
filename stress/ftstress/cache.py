"""Keeps rewritten modules on disk, under the user's cache folder.

The name of an entry is a hash of everything that it depends on, so that nothing ever has to be
invalidated: another source, interpreter or rewriter is another entry. Entries appear by renaming a
complete file; two processes that write the same one write the same bytes. Must never make an import
fail: what cannot be read or written is worked out anew.
"""

import hashlib
import marshal
import os
import sys
import tempfile
from pathlib import Path
from types import CodeType

from ftstress import rewriting


def folder() -> Path:
    """``$XDG_CACHE_HOME/ftstress``, or ``~/.cache/ftstress``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "ftstress" / "rewritten"


def rewritten(source: bytes, filename: str) -> CodeType:
    """The module's rewritten code, with its own new sites. Raises SyntaxError as compile()."""
    tag = (
        f"{rewriting.VERSION}\0{sys.implementation.cache_tag}\0{sys.version}\0{sys.flags.optimize}"
    )
    key = hashlib.sha256(b"\0".join((tag.encode(), os.fsencode(filename), source))).hexdigest()
    try:
        path = folder() / key[:2] / key
    except RuntimeError:  # no home folder
        return rewriting.bind(rewriting.rewrite(source, filename))
    code = _load(path)
    if code is None:
        code = rewriting.rewrite(source, filename)
        _store(path, code)
    return rewriting.bind(code)


def _load(path: Path) -> CodeType | None:
    try:
        found = marshal.loads(path.read_bytes())
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return found if isinstance(found, CodeType) else None


def _store(path: Path, code: CodeType) -> None:
    incoming = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            incoming = Path(file.name)
            file.write(marshal.dumps(code))
        incoming.replace(path)
    except OSError:
        if incoming is not None:
            incoming.unlink(missing_ok=True)
