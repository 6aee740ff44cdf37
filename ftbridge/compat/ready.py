"""The file in which the host waits for a worker's port. Imports nothing of ftbridge."""

from __future__ import annotations

import os


def write_ready_file(path: str, port: int) -> None:
    """Have the port in the file, whole or not at all.

    The host polls the file every 50 ms and deletes it once it has read a number: a half-written one
    would send it to a wrong port. Hence a file beside it, on the disk, renamed into place.

    Raises:
        OSError: the file cannot be written.
    """
    partial = f"{path}.tmp"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, str(port).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(partial, path)  # noqa: PTH105  the host's text, and pathlib weighs on a launcher
