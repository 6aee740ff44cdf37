"""Checks for what building CPython needs, before minutes are spent on it.

Names the Debian packages that provide what is missing, all in one line. Installs nothing: that
needs root, and is the owner's decision.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Callable, NamedTuple

from .errors import SetupError
from .layout import clean_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Command, and the Debian package that has it. patch applies Debian's security fixes; xz unpacks.
REQUIRED_COMMANDS = (("make", "make"), ("patch", "patch"), ("xz", "xz-utils"), ("tar", "tar"))
# Without ssl and zlib pip cannot install wheels; ctypes is what numpy and psutil users expect.
REQUIRED_HEADERS = (
    ("zlib.h", "zlib1g-dev"),
    ("openssl/ssl.h", "libssl-dev"),
    ("ffi.h", "libffi-dev"),
)
# Modules of the standard library that ftbridge lives without but a user's tools may want.
OPTIONAL_HEADERS = (
    ("sqlite3.h", "libsqlite3-dev"),
    ("lzma.h", "liblzma-dev"),
    ("bzlib.h", "libbz2-dev"),
    ("readline/readline.h", "libreadline-dev"),
    ("uuid/uuid.h", "uuid-dev"),
)
# The headers of 2024's gcc on one machine preprocess in 20 ms; this only bounds a hang.
COMPILER_TIMEOUT_SECONDS = 60.0


class Toolchain(NamedTuple):
    """What was found: the compiler, and Debian packages that would complete the library."""

    compiler: str
    missing_optional: tuple[str, ...]


def compiler_name() -> str:
    """The compiler a build would use: ``CC``, else the first of cc, gcc and clang; may be empty."""
    named = os.environ.get("CC", "")
    if named:
        return named
    return next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")


def accepts(compiler: str, program: str, *, link: bool = False) -> bool:
    """Whether ``compiler`` compiles (or links) the C ``program`` without an error."""
    mode = ["-o", os.devnull] if link else ["-E", "-o", os.devnull]
    try:
        done = subprocess.run(
            [*compiler.split(), "-x", "c", *mode, "-"],
            input=program.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(),
            timeout=COMPILER_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def check_toolchain(*, accepts: Callable[..., bool] = accepts) -> Toolchain:
    """The toolchain of this machine. Raises ``SetupError`` naming every package that is missing."""
    compiler = compiler_name()
    missing = [package for command, package in REQUIRED_COMMANDS if shutil.which(command) is None]
    if not compiler or not accepts(
        compiler, "#include <stdio.h>\nint main(void){return 0;}", link=True
    ):
        # Without a working compiler no header can be looked for: name them all, to ask only once.
        missing += ["gcc", "libc6-dev", *(package for _, package in REQUIRED_HEADERS)]
        optional: tuple[str, ...] = ()
    else:
        missing += _missing_packages(compiler, REQUIRED_HEADERS, accepts)
        optional = tuple(_missing_packages(compiler, OPTIONAL_HEADERS, accepts))
    if missing:
        raise SetupError(
            "building the free-threaded CPython needs packages that are not installed; "
            f"as root: apt-get install {' '.join(missing)}"
        )
    return Toolchain(compiler=compiler, missing_optional=optional)


def check_space(folder: Path, megabytes: int, purpose: str) -> None:
    """Raises ``SetupError`` when the file system of ``folder`` has less than ``megabytes`` free."""
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free // 1_000_000
    if free < megabytes:
        raise SetupError(
            f"{purpose} needs {megabytes} MB in {folder}, where {free} MB are free: free some, "
            "or set XDG_CACHE_HOME to a folder with more"
        )


def _missing_packages(
    compiler: str, headers: Sequence[tuple[str, str]], accepts: Callable[..., bool]
) -> list[str]:
    return [
        package
        for header, package in headers
        # readline and ffi headers need stdio's types.
        if not accepts(compiler, f"#include <stdio.h>\n#include <{header}>\n")
    ]
