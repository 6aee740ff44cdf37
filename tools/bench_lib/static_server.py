"""nghttpd (nghttp2) serving one small file: what a server in C does on this machine, the limit.

It answers a POST with the file and looks at no message, so no gRPC server can be as fast. Runs it
as a child on a free port and says the port as the other servers do.
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NoReturn

from tools.bench_lib.request import EXECUTE_TOOL

PROGRAM: Final = "nghttpd"
FILE_BYTES: Final = 60
ATTEMPTS: Final = 5
"""Another process may take the port between our look at it and nghttpd's start."""

_POLL_SECONDS = 0.02
_START_SECONDS = 10.0


def serve(port_file: Path, threads: int) -> None:
    """Run it until SIGTERM.

    Raises:
        RuntimeError: it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as folder:
        file = Path(folder) / EXECUTE_TOOL.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * FILE_BYTES)
        for _ in range(ATTEMPTS):
            port = _free_port()
            command = [PROGRAM, "--no-tls", "-n", str(threads), "-d", folder]
            process = subprocess.Popen([*command, "-a", "127.0.0.1", str(port)])
            try:
                if _listens(process, port):
                    partial = port_file.with_suffix(".new")
                    partial.write_text(f"{port}\n")
                    partial.replace(port_file)
                    process.wait()
                    return
            finally:
                process.terminate()
                process.wait()
    raise RuntimeError(f"{PROGRAM} did not start in {ATTEMPTS} attempts")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    limit = time.monotonic() + _START_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            return process.poll() is None
    return False


def main() -> None:
    def ended(*_: object) -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, ended)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    serve(options.port_file, options.threads)


if __name__ == "__main__":
    main()
