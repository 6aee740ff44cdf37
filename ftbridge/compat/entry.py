"""Where every start of a worker begins: one server for this launch, or one for all.

Reads the launch first and imports what it needs then: a launcher of a shared server must not carry
the server's modules.
"""

from __future__ import annotations

import os
import sys

from .launch import Launch, parse
from .rendezvous import HANDOVER_VARIABLE, Rendezvous

TYPE_CHECKING = False  # see `launch`
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None, *, threaded: bool = False) -> int:
    """Run what the arguments ask for; the exit status. Raises SystemExit for bad arguments."""
    launch = parse(sys.argv[1:] if arguments is None else arguments, threaded=threaded)
    if launch.health_check or not launch.shared:
        from .worker import run

        return run(launch)
    first = os.environ.pop(HANDOVER_VARIABLE, "")
    if first:
        return _serve_all(launch, int(first))
    from .launcher import attach

    return attach(launch)


def _serve_all(launch: Launch, first: int) -> int:
    """Be the shared server; `first` is the descriptor of the starting launcher's socket."""
    # Whatever else the host or a shell left open is not for a process that outlives them.
    os.closerange(3, first)
    os.closerange(first + 1, os.sysconf("SC_OPEN_MAX"))
    import socket

    from .attachments import Attachments
    from .worker import run

    os.set_inheritable(first, False)
    launcher = socket.socket(fileno=first)
    meeting = Rendezvous(launch.arguments)
    return run(launch, on_ready=lambda port, end: Attachments(meeting, launcher, end).open(port))
