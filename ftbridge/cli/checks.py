"""Checks of `ftbridge doctor` that need no child process: interpreter, GIL, port, limits.

Each is a function from the machine, or from values a test hands in, to findings.  Reads the
machine only; the one thing it does is to bind the port for a moment.
"""

from __future__ import annotations

import errno
import importlib.metadata as metadata
import os
import platform
import resource
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ftbridge.cli.arguments import reachable
from ftbridge.cli.findings import Finding, ok, remark, wrong
from ftbridge.cli.interpreter import interpreter_line
from ftbridge.guard import FREE_THREADED_BUILD, GilEnabledError, GilGuard
from ftbridge.rpc import Address

_OLDEST_PYTHON: Final = (3, 13)  # the first with a build without the GIL (PEP 703)
_FEWEST_FILES: Final = 1024  # Linux's usual soft limit; below it a pool of clients meets it soon
_FEWEST_SPARE_THREADS: Final = 64  # handlers, reactors and what numpy's BLAS starts beside them

_PING_TIMEOUT: Final = 1.0  # seconds; a server here answers within a millisecond
_CGROUP: Final = Path("/sys/fs/cgroup")


def interpreter() -> Finding:
    """Version and kind of build."""
    line = f"{interpreter_line()} ({sys.executable})"
    if sys.version_info < _OLDEST_PYTHON:
        return wrong("interpreter", line, "CPython 3.13 or later is needed")
    if platform.python_implementation() != "CPython":
        return wrong("interpreter", line, "only CPython has a build without the GIL")
    if not FREE_THREADED_BUILD:
        return remark(
            "interpreter",
            f"{line}: everything runs, tools one at a time",
            "for parallel tools run ftbridge with python3.13t or python3.14t",
        )
    return ok("interpreter", line)


def gil() -> Finding:
    """Whether the GIL is on in this process, and why."""
    guard = GilGuard()
    try:
        guard.check_start()
    except GilEnabledError as error:
        return wrong("gil", error.trip.headline(), error.trip.ways_out()[0])
    state = guard.describe()
    return ok("gil", state) if state == "off" else remark("gil", state)


def transport() -> Finding:
    """What `--transport auto` uses, and whether the other one could be."""
    choice = "auto is native: gRPC on ftbridge's own threads, on every build"
    if find_spec("grpc") is None:
        return ok("transport", f"{choice}; grpcio is not installed")
    # Its metadata and not its module: importing grpcio switches the GIL on.
    installed = f"grpcio {metadata.version('grpcio')}"
    if FREE_THREADED_BUILD:
        return ok("transport", f"{choice}; {installed} needs --transport grpcio and --allow-gil")
    return ok("transport", f"{choice}; {installed} can be had with --transport grpcio")


def port(listen: Address) -> Finding:
    """Whether `listen` can be bound now."""
    if listen.family == socket.AF_UNIX:
        return _unix_socket(listen)
    try:
        with socket.socket(listen.family, socket.SOCK_STREAM) as probe:
            # As the server does: a port in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(listen.sockaddr)
            probe.listen(1)
    except OSError as error:
        return _taken(listen, error)
    return ok("port", f"{listen} is free")


def _unix_socket(listen: Address) -> Finding:
    path = Path(listen.host)
    if not os.access(path.parent, os.W_OK):
        return wrong("port", f"{listen}: {path.parent} cannot be written", "listen elsewhere")
    if path.exists():
        return wrong("port", f"{listen} exists already", f"stop its server, or remove {path}")
    return ok("port", f"{listen} is free")


def _taken(listen: Address, error: OSError) -> Finding:
    anywhere = Address(listen.family, listen.host, 0)
    elsewhere = f"listen elsewhere: --listen {anywhere} takes any free port"
    if error.errno != errno.EADDRINUSE:
        return wrong("port", f"{listen} cannot be bound: {error.strerror or error}", elsewhere)
    from ftbridge.client import Client, ClientError

    try:
        with Client(str(reachable(listen, listen.port))) as client:
            milliseconds = client.ping(timeout=_PING_TIMEOUT) * 1000
    except ClientError:
        return wrong("port", f"{listen} is taken, not by an ftbridge server", elsewhere)
    return remark(
        "port", f"{listen}: an ftbridge server answers there ({milliseconds:.1f} ms)", elsewhere
    )


def open_files() -> Finding:
    """How many connections the process may hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{_limit(soft)} open files (hard limit {_limit(hard)}): one a connection"
    if soft != resource.RLIM_INFINITY and soft < _FEWEST_FILES:
        return wrong("open files", text, f"raise it: ulimit -n {_FEWEST_FILES} or more")
    return ok("open files", text)


def threads(cgroup: Path = _CGROUP) -> Finding:
    """How many threads the process may still start."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    text = f"{_limit(soft)} processes and threads for this user"
    spare = _spare_in_cgroup(cgroup)
    if spare is not None:
        text += f", {spare} more in this control group"
        if spare < _FEWEST_SPARE_THREADS:
            return wrong("threads", text, "raise pids.max of the control group (container limit)")
    if soft != resource.RLIM_INFINITY and soft < _FEWEST_SPARE_THREADS:
        return wrong("threads", text, f"raise it: ulimit -u {_FEWEST_SPARE_THREADS} or more")
    return ok("threads", text)


def cores(cgroup: Path = _CGROUP) -> Finding:
    """How much of the machine the process may use at once."""
    usable = os.process_cpu_count() or 1
    total = os.cpu_count() or usable
    text = f"{usable} of {total} usable"
    quota = cpu_quota(cgroup)
    if quota is not None and quota < usable:
        return remark(
            "cores",
            f"{text}, of which the control group grants {quota:g}",
            f"more threads than that wait for each other: --threads {max(1, round(quota))}",
        )
    if usable == 1:
        return remark("cores", f"{text}: tools take turns on it", "parallel tools need two or more")
    return ok("cores", text)


def cpu_quota(cgroup: Path = _CGROUP) -> float | None:
    """Cores' worth of time that the control group grants (cgroup v2, then v1); None: no limit."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        granted = int((cgroup / "cpu/cpu.cfs_quota_us").read_text())
        return (
            None if granted < 0 else granted / int((cgroup / "cpu/cpu.cfs_period_us").read_text())
        )
    except (OSError, ValueError):
        return None


def _spare_in_cgroup(cgroup: Path) -> int | None:
    for folder in (cgroup, cgroup / "pids"):
        try:
            most = (folder / "pids.max").read_text().strip()
            if most == "max":
                return None
            return int(most) - int((folder / "pids.current").read_text())
        except (OSError, ValueError):
            continue
    return None


def _limit(value: int) -> str:
    return "no limit on" if value == resource.RLIM_INFINITY else str(value)
