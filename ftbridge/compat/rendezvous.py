"""Where the launchers of one pool and their shared server meet: a lock, a socket and a log.

They lie in a folder that only this user can enter. What two launches have in common decides
whether they share: user, interpreter, folder, arguments and environment; the host starts all
workers of a pool alike, but for the name of the ready file. Launchers are to be small, so this
imports nothing of ftbridge and nothing heavy.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys

TYPE_CHECKING = False  # see `launch`
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

try:
    from _sha2 import sha256  # type: ignore[import-not-found]  # hashlib would load OpenSSL, 4 MB in every launcher
except ImportError:
    from hashlib import sha256

HANDOVER_VARIABLE = "FTBRIDGE_SHARED_SERVER"
"""Tells a process that it is the shared server: the descriptor of its first launcher's socket."""

# Differ between launches of one pool, or between shells from which they are started by hand.
_OWN_TO_A_LAUNCH = frozenset(
    {"SNAKEPIT_READY_FILE", HANDOVER_VARIABLE, "_", "OLDPWD", "PWD", "SHLVL"}
)

_PRIVATE = 0o700


class UnsafeFolderError(RuntimeError):
    """The folder for sockets exists and somebody else could have made or can change it."""


class Rendezvous:
    """The meeting place of all launches that are alike.

    Paths go through an open descriptor of the folder: a socket's path may have 107 bytes only.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str] = os.environ
    ) -> None:
        shared = [
            sys.executable,
            os.getcwd(),  # noqa: PTH109  pathlib weighs on a launcher
            *sys.argv[:1],
            *arguments,
            *(f"{k}={v}" for k, v in sorted(environment.items()) if k not in _OWN_TO_A_LAUNCH),
        ]
        self.key = sha256("\0".join(shared).encode("utf-8", "surrogateescape")).hexdigest()[:24]
        self.folder = _folder(environment)
        self._descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def socket_path(self) -> str:
        """Short, and valid in this process only."""
        return f"/proc/self/fd/{self._descriptor}/{self.key}.sock"

    @property
    def log_path(self) -> str:
        """Where the shared server's output goes."""
        return f"{self.folder}/{self.key}.log"

    def lock(self, *, wait: bool = True) -> int | None:
        """Take the lock: its descriptor, to be closed; None when somebody else has it.

        Whoever attaches, starts a server or ends one because nobody is attached holds it.
        """
        path = f"{self.folder}/{self.key}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def open_log(self) -> int:
        """An empty log, to append to."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        return os.open(self.log_path, flags, 0o600)

    def log_tail(self, size: int = 3000) -> str:
        """The end of the log. The host shows the last 4096 bytes of a launcher's output."""
        try:
            with open(self.log_path, "rb") as log:  # noqa: PTH123
                log.seek(max(0, os.fstat(log.fileno()).st_size - size))
                return log.read().decode("utf-8", "replace")
        except OSError:
            return ""


def _folder(environment: Mapping[str, str]) -> str:
    """This user's folder, made if need be. Raises UnsafeFolderError, OSError."""
    uid = os.getuid()
    for base in _bases(environment):
        path = f"{base}/ftbridge-{uid}"
        try:
            os.mkdir(path, _PRIVATE)  # noqa: PTH102
        except FileExistsError:
            pass
        except OSError:
            continue
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            raise UnsafeFolderError(
                f"{path} is not a folder that only this user can enter; remove it, or set "
                "XDG_RUNTIME_DIR to a folder of your own"
            )
        return path
    raise UnsafeFolderError("there is no folder to keep a socket in: set TMPDIR to one")


def _bases(environment: Mapping[str, str]) -> Iterator[str]:
    for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
        if environment.get(name):
            yield environment[name]
    yield "/tmp"
