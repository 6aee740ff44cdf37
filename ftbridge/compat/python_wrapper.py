"""`ftbridge-python`: the executable for pools whose script cannot be chosen.

The host's thread profile always starts `EXECUTABLE .../grpc_server_threaded.py ...` with its own
script. With this as the executable, the script is ours; whatever else the host runs with it
(`-c`, `-m`, another script) goes to the interpreter unchanged. It keeps its process id, its
arguments and "python" in its name, by which the host's clean-up knows it. Imports nothing of
ftbridge.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

SCRIPTS: Final = Path(__file__).parent / "scripts"
_REPLACED: Final = frozenset({"grpc_server.py", "grpc_server_threaded.py"})


def command(arguments: Sequence[str]) -> list[str]:
    """What to run for these arguments of the host's."""
    script = os.path.basename(arguments[0]) if arguments else ""  # noqa: PTH119  it is only text
    if script in _REPLACED:
        return [sys.executable, str(SCRIPTS / script), *arguments[1:]]
    return [sys.executable, *arguments]


def main() -> NoReturn:
    """Become the interpreter."""
    line = command(sys.argv[1:])
    os.execv(line[0], line)


if __name__ == "__main__":
    main()
