"""The head of every report: without the machine and the versions a figure says nothing."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path

from .errors import BenchError

_PROBE_SECONDS = 30.0
_PROBE = """\
import importlib.metadata as metadata, json, platform, sys, sysconfig
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
found = {name: version(name) for name in ("grpcio", "protobuf", "hpack", "pygrpc-native")}
if found["protobuf"]:
    from google.protobuf.internal import api_implementation
    found["protobuf"] += " " + api_implementation.Type()
print(json.dumps({
    "python": platform.python_version(),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "pgo": "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
    **found,
}))
"""


def interpreter(python: Path, root: Path, *, free_threaded: bool) -> dict[str, object]:
    """Versions of an interpreter and what it has installed.

    Raises:
        BenchError: it is missing or of the other build, or lacks what the stock servers need.
    """
    option = "--python" if free_threaded else "--gil-python"
    way_out = f"run ./tools/setup --gil, or give another with {option}"
    try:
        done = subprocess.run(
            [str(python), "-c", _PROBE],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except OSError as error:
        raise BenchError(f"{python} does not run ({error.strerror}): {way_out}") from None
    except subprocess.TimeoutExpired:
        raise BenchError(f"{python} hangs at its start: {way_out}") from None
    if done.returncode:
        raise BenchError(f"{python} does not run: {done.stderr.strip()}: {way_out}")
    found: dict[str, object] = json.loads(done.stdout)
    if found["free_threaded"] is not free_threaded:
        kind = "a free-threaded build" if found["free_threaded"] else "a build with the GIL"
        raise BenchError(f"{python} is {kind}, not what {option} is for: {way_out}")
    if not free_threaded:
        for name in ("grpcio", "protobuf", "pygrpc-native"):
            if not found[name]:
                raise BenchError(f"{python} has no {name}: {way_out}")
        if not str(found["protobuf"]).endswith("upb"):
            raise BenchError(
                f"protobuf on {python} is {found['protobuf']}: without upb the comparison would"
                f" be unfair to stock grpcio: {way_out}"
            )
    return found


def describe(python: Path, gil_python: Path, root: Path) -> dict[str, object]:
    """The machine and all versions; raises as `interpreter`."""
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text(errors="replace")),
        "cores": os.process_cpu_count(),
        "load": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "commit": _output("git", "-C", str(root), "describe", "--always", "--dirty"),
        "h2load": _output("h2load", "--version").removeprefix("h2load "),
        "nghttpd": _output("nghttpd", "--version").removeprefix("nghttpd "),
        "free_threaded": interpreter(python, root, free_threaded=True),
        "gil": interpreter(gil_python, root, free_threaded=False),
    }


def heading(machine: dict[str, object]) -> list[str]:
    """`describe`'s answer as lines."""
    free, twin = machine["free_threaded"], machine["gil"]
    assert isinstance(free, dict)
    assert isinstance(twin, dict)
    lines = [
        f"machine         {machine['cpu']}, {machine['cores']} cores, {machine['system']}",
        f"load before     {machine['load']:.2f} (1 minute; figures of a busy machine are rough)",
        f"ftbridge        {machine['commit'] or 'no git'}, hpack {free['hpack']}",
        f"free-threaded   {_build(free)}",
        f"GIL             {_build(twin)}, grpcio {twin['grpcio']},"
        f" pygrpc-native {twin['pygrpc-native']}, protobuf {twin['protobuf']}",
    ]
    if _build(free) != _build(twin):
        lines.append("                two different builds: what differs is not the GIL alone")
    return lines


def _build(found: dict[str, object]) -> str:
    return f"CPython {found['python']}{' (PGO)' if found['pgo'] else ' (no PGO)'}"


def cpu_model(cpuinfo: str) -> str:
    """The processor's name in the text of /proc/cpuinfo, where it has one."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip().removesuffix("\n")
