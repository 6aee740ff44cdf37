"""Which files callers may name, and nothing outside them.

The names come from whoever can reach the server, so every one of them is checked here, after
symbolic links are resolved. Must never read a file's content, and must never be bypassed: the
other modules of this package only open what this one returned.
"""

import difflib
import sysconfig
from pathlib import Path
from typing import Final

# Folders below the standard library's that hold other people's packages, or no source at all.
_FOREIGN_FOLDERS: Final = frozenset({"site-packages", "dist-packages", "__pycache__"})

# The interpreter's own tests and the editor: parsing them would take most of the time of reading
# the library, and some of them are invalid on purpose.
_NOT_LIBRARY: Final = frozenset({"test", "tests", "idlelib", "idle_test", "lib2to3", "turtledemo"})

_EXAMPLE_FILE: Final = "json/decoder.py"
_EXAMPLE_PACKAGE: Final = "json"
_FILE_HINT: Final = f"name a file as seen from the library's folder, such as {_EXAMPLE_FILE!r}"

_SHOWN_CHARACTERS: Final = 80  # of a refused name, about a line: it may be megabytes


class SourceFolder:
    """A folder of Python source. Immutable, so threads share it without a lock."""

    __slots__ = ("_root",)

    def __init__(self, root: Path | None = None) -> None:
        """Take `root`, or the folder of this interpreter's standard library.

        Raises `ValueError` when there is no such folder.
        """
        chosen = Path(sysconfig.get_paths()["stdlib"]) if root is None else root
        self._root = chosen.resolve()
        if not self._root.is_dir():
            raise ValueError(
                f"there is no folder {str(chosen)!r}: this interpreter came without its standard "
                "library's source; serve with one that has it"
            )

    @property
    def root(self) -> Path:
        """The folder, free of symbolic links."""
        return self._root

    def file(self, name: str) -> Path:
        """The source file that a caller calls `name`, relative to the folder, as in 'json/tool.py'.

        Raises `ValueError` for anything else than an existing `.py` file inside the folder: an
        absolute name, one that leaves through `..` or a symbolic link, an installed package.
        """
        if not name or "\0" in name:
            raise ValueError(f"path {_shown(name)} names no file; {_FILE_HINT}")
        if Path(name).is_absolute():
            raise ValueError(f"path {_shown(name)} is absolute; {_FILE_HINT}")
        if Path(name).suffix != ".py":
            raise ValueError(f"path {_shown(name)} is not a Python source file (.py); {_FILE_HINT}")
        try:
            found = (self._root / name).resolve()
            exists = self._contains(found) and found.is_file()
        except (OSError, RuntimeError) as error:  # too long a name, no permission, a link loop
            raise ValueError(f"path {_shown(name)} cannot be followed; {_FILE_HINT}") from error
        if not self._contains(found):
            raise ValueError(
                f"path {_shown(name)} leaves the standard library's source; {_FILE_HINT}"
            )
        if not exists:
            raise ValueError(
                f"path {_shown(name)} does not exist in the standard library; {_FILE_HINT}"
            )
        return found

    def package(self, name: str) -> tuple[Path, ...]:
        """The source files of a package and of all below it, or of a module, sorted by name.

        `name` is dotted, as in an import. Raises `ValueError` when no source belongs to it.
        """
        parts = name.split(".")
        if not all(part.isidentifier() for part in parts):
            raise ValueError(
                f"package {_shown(name)} is no module name; name it as in an import, such as "
                f"{_EXAMPLE_PACKAGE!r} or 'concurrent.futures'"
            )
        try:
            folder = self._root.joinpath(*parts)
            if folder.is_dir():
                candidates = list(folder.rglob("*.py"))
            else:
                candidates = [folder.with_name(f"{parts[-1]}.py")]
            found = [path for path in candidates if self._is_ours(path)]
        except OSError as error:  # too long a name, no permission
            raise ValueError(
                f"package {_shown(name)} cannot be read; {self._advice(name)}"
            ) from error
        if not found:
            raise ValueError(
                f"package {_shown(name)} has no Python source in the standard library; "
                f"{self._advice(name)}"
            )
        return tuple(sorted(found))

    def library(self) -> tuple[Path, ...]:
        """The files of the library proper, sorted: without tests, editor and demonstrations."""
        return tuple(
            path
            for path in sorted(self._root.rglob("*.py"))
            if _NOT_LIBRARY.isdisjoint(path.relative_to(self._root).parts) and self._is_ours(path)
        )

    def name_of(self, path: Path) -> str:
        """What callers call a file of this folder, with `/` on every system."""
        return path.relative_to(self._root).as_posix()

    def _is_ours(self, path: Path) -> bool:
        return (
            _FOREIGN_FOLDERS.isdisjoint(path.relative_to(self._root).parts)
            and self._contains(path.resolve())
            and path.is_file()
        )

    def _contains(self, resolved: Path) -> bool:
        return resolved.is_relative_to(self._root) and _FOREIGN_FOLDERS.isdisjoint(
            resolved.relative_to(self._root).parts
        )

    def _advice(self, name: str) -> str:
        modules = [path.stem for path in self._root.iterdir() if path.stem.isidentifier()]
        similar = difflib.get_close_matches(name, sorted({*modules} - {name}), n=3)
        if similar:
            return "did you mean " + " or ".join(map(repr, similar)) + "?"
        return f"try {_EXAMPLE_PACKAGE!r} (modules written in C have no source)"


def _shown(name: str) -> str:
    return repr(name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}...")
