"""Finds the installed wheels that would switch the GIL on, without importing them here.

Reading an extension's file does not tell: the declaration is made by running its init function.
So every wheel that brings extension modules is imported in a child process of its own
(`ftbridge.cli.probe`), which may switch its GIL on, hang or crash as it likes.
"""

from __future__ import annotations

import contextlib
import importlib.metadata as metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final

from ftbridge.cli.findings import Finding, ok, remark, wrong
from ftbridge.guard import FREE_THREADED_BUILD

# Seconds for one wheel; the slowest known, machine learning frameworks on a cold disk, take 30.
PROBE_TIMEOUT: Final = 120.0

_SHOWN_MODULES: Final = 3  # names in one line of the report


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """An installed distribution with extension modules."""

    name: str
    version: str
    packages: tuple[str, ...]  # what a user imports
    modules: tuple[str, ...]  # its extension modules

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What importing a wheel did.

    `on_import`: undeclared extension modules that importing its packages brings in; `on_demand`:
    those that only importing them by name does; `trouble`: why it could not be imported.
    """

    wheel: Wheel
    on_import: tuple[str, ...] = ()
    on_demand: tuple[str, ...] = ()
    trouble: str = ""


def installed_wheels(
    distributions: Iterable[metadata.Distribution] | None = None,
) -> list[Wheel]:
    """Every distribution on `sys.path` that brings extension modules for this interpreter."""
    found: dict[str, Wheel] = {}
    for distribution in metadata.distributions() if distributions is None else distributions:
        name = distribution.metadata["Name"] or "?"
        if name in found:
            continue  # shadowed: an earlier entry of sys.path has it too
        modules = sorted(_extension_modules(distribution))
        if modules:
            packages = dict.fromkeys(module.partition(".")[0] for module in modules)
            found[name] = Wheel(
                name=name,
                version=distribution.version,
                packages=tuple(packages),
                modules=tuple(modules),
            )
    return sorted(found.values(), key=lambda wheel: wheel.name.lower())


def _extension_modules(distribution: metadata.Distribution) -> Iterator[str]:
    for file in distribution.files or ():
        for suffix in EXTENSION_SUFFIXES:
            if not file.name.endswith(suffix):
                continue
            parts = (*file.parts[:-1], file.name.removesuffix(suffix))
            path = Path(str(distribution.locate_file(file)))
            if all(part.isidentifier() for part in parts) and _is_extension(path, parts[-1]):
                yield ".".join(parts)
            break


def _is_extension(path: Path, name: str) -> bool:
    """Whether the file has an init function of that module; other shared libraries do not."""
    try:
        return f"PyInit_{name}".encode() in path.read_bytes()
    except OSError:
        return False


def probe(wheel: Wheel, *, timeout: float = PROBE_TIMEOUT) -> Outcome:
    """Import the wheel in a child process and tell what that did."""
    lines, ending = run_probe(
        ["wheel", " ".join(wheel.packages), " ".join(wheel.modules)], timeout=timeout
    )
    on_import: list[str] = []
    on_demand: list[str] = []
    trouble = ""
    last = wheel.packages[0]
    for line in lines:
        last = str(line.get("importing", last))
        if "undeclared" in line:
            (on_import if line["stage"] == "package" else on_demand).append(line["undeclared"])
        elif "failed" in line and line["stage"] == "package":
            trouble = trouble or f"importing {line['failed']} fails: {line['error']}"
    if ending:
        trouble = f"importing {last} {ending}"
    return Outcome(
        wheel=wheel, on_import=tuple(on_import), on_demand=tuple(on_demand), trouble=trouble
    )


def run_probe(arguments: Sequence[str], *, timeout: float) -> tuple[list[dict[str, Any]], str]:
    """Run `ftbridge.cli.probe`; its report, and how it ended if not as it should ("" if so)."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # The question is what happens without it, and what this process runs with is its own affair.
    environment.pop("PYTHON_GIL", None)
    with tempfile.TemporaryFile() as report:
        descriptor = report.fileno()
        command = [sys.executable, "-W", "ignore", "-m", "ftbridge.cli.probe", str(descriptor)]
        child = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[descriptor],
            env=environment,
        )
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            ending = f"takes more than {timeout:g} s"
        else:
            ending = _ending(status)
        finally:
            child.kill()  # of no effect on one that has ended
            child.wait()
        report.seek(0)
        lines = []
        for raw in report:
            with contextlib.suppress(ValueError):  # the last line of a killed child may be cut
                lines.append(json.loads(raw))
    if not ending and not any("done" in line for line in lines):
        ending = "ends the interpreter"
    return lines, ending


def _ending(status: int) -> str:
    if status == 0:
        return ""
    if status < 0:
        return f"crashes the interpreter ({signal.Signals(-status).name})"
    return f"ends the interpreter with status {status}"


def check(on_progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """The findings about all installed wheels; `on_progress(done, all)` as they come in."""
    if not FREE_THREADED_BUILD:
        return [remark("wheels", "not checked: this build of Python always has the GIL")]
    wheels = installed_wheels()
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(max_workers=min(4, os.process_cpu_count() or 1)) as pool:
        for outcome in pool.map(probe, wheels):
            outcomes.append(outcome)
            if on_progress is not None:
                on_progress(len(outcomes), len(wheels))
    return findings(outcomes)


def findings(outcomes: Sequence[Outcome]) -> list[Finding]:
    """One finding for what is in order, and one for each wheel that is not."""
    result: list[Finding] = []
    quiet = [outcome for outcome in outcomes if not (outcome.on_import or outcome.trouble)]
    if not outcomes:
        return [ok("wheels", "none installed has extension modules")]
    if quiet:
        names = ", ".join(str(outcome.wheel) for outcome in quiet)
        result.append(ok("wheels", f"imported in a child process each, the GIL stays off: {names}"))
    for outcome in outcomes:
        if outcome.on_import:
            result.append(
                wrong(
                    "wheels",
                    f"importing {outcome.wheel} switches the GIL on: {_some(outcome.on_import)}",
                    "upgrade it to a release that supports free-threading, or uninstall it",
                )
            )
        elif outcome.on_demand:
            result.append(
                remark(
                    "wheels",
                    f"{outcome.wheel}: importing it is fine, importing these switches the GIL "
                    f"on: {_some(outcome.on_demand)}",
                )
            )
        if outcome.trouble:
            result.append(remark("wheels", f"{outcome.wheel}: {outcome.trouble}"))
    return result


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_MODULES])
    rest = len(names) - _SHOWN_MODULES
    return f"{shown} and {rest} more" if rest > 0 else shown
