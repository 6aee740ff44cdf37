"""Keeps two set-ups out of each other's way, with locks that die with their holders.

``flock`` belongs to the open file, so that the kernel releases it however the process ends. Long
commands inherit the file (see ``runner``): after a ``kill -9`` of the set-up the lock is held until
its orphaned compiler is gone too, and no second build meets it in the same folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable

from .errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .console import Console

# How often a waiting set-up looks again; short enough not to be felt, and Ctrl-C stays immediate.
RETRY_SECONDS = 0.2


@contextmanager
def exclusive(
    path: Path, console: Console, *, pause: Callable[[float], None] = time.sleep
) -> Iterator[int]:
    """Holds the lock of ``path``, a file (made if missing) or a folder; yields its descriptor.

    Waits, with a message, while another process holds it. No fairness: whoever looks first after
    the release gets it. Everything done to the guarded folder by the previous holder happens
    before this returns. Raises ``SetupError`` where the file system has no locks.
    """
    if path.is_dir():
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _try_lock(descriptor, path):
            with console.step(f"another set-up is at work in {path}; waiting for it") as step:
                while not _try_lock(descriptor, path):
                    step.tick()
                    pause(RETRY_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise SetupError(
            f"{path} cannot be locked ({error.strerror}): use a local file system, "
            "or set XDG_CACHE_HOME to a folder on one"
        ) from None
    return True
