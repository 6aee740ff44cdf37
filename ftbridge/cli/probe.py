"""The child process of `ftbridge doctor`: imports what the doctor must not import itself.

`python -m ftbridge.cli.probe FD wheel PACKAGES MODULES` imports the packages of one wheel, then
each of its extension modules, and reports which of them do not declare that they run without the
GIL; `... FD adapter SPEC` loads an adapter under the guard.  It reports JSON lines to the file
descriptor FD and names each import beforehand: an import that kills the process is named too.

Imports nothing of ftbridge but the guard before the first report, so that what it finds is the
wheel's doing.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterable

from ftbridge.guard import GilEnabledError, GilGuard
from ftbridge.guard.declared import undeclared


class Report:
    """JSON lines to the parent, each written whole."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, **document: object) -> None:
        """Write one line."""
        os.write(self._descriptor, json.dumps(document).encode() + b"\n")


def main(arguments: list[str]) -> None:
    """Do what the parent asks; the end of the report is a line with `done`."""
    descriptor, kind, *rest = arguments
    report = Report(int(descriptor))
    if kind == "wheel":
        packages, modules = rest
        probe_wheel(report, packages.split(), modules.split())
    else:
        [spec] = rest
        probe_adapter(report, spec)
    report.send(done=True)


def probe_wheel(report: Report, packages: Iterable[str], modules: Iterable[str]) -> None:
    """Import the packages as a user would, then the extension modules one by one."""
    guard = GilGuard(allow_gil=True)  # to hear of it, not to be stopped by it
    known: set[str] = set()
    for stage, names in (("package", packages), ("module", modules)):
        for name in names:
            report.send(importing=name, stage=stage)
            with guard.loading():
                try:
                    importlib.import_module(name)
                except BaseException as error:  # noqa: BLE001  a module may raise anything, SystemExit too
                    report.send(failed=name, stage=stage, error=f"{type(error).__name__}: {error}")
            for culprit in _new_undeclared(guard, known):
                known.add(culprit)
                file = getattr(sys.modules.get(culprit), "__file__", None)
                report.send(undeclared=culprit, stage=stage, file=file, importing=name)


def _new_undeclared(guard: GilGuard, known: set[str]) -> list[str]:
    names = undeclared(tuple(sys.modules.items()))
    if names is None:
        # Declarations cannot be read in this build: the first that switched it on is what is left.
        names = list(guard.trip.modules) if guard.trip else []
    return [name for name in names if name not in known]


def probe_adapter(report: Report, spec: str) -> None:
    """Load an adapter as `ftbridge serve` does."""
    from ftbridge.adapters.loader import load_adapter

    guard = GilGuard()
    try:
        with guard.loading():
            adapter = load_adapter(spec)
    except GilEnabledError as error:
        report.send(refused=str(error))
    except BaseException as error:  # noqa: BLE001  whatever importing the user's code raises
        report.send(failed=spec, error=f"{type(error).__name__}: {error}")
    else:
        report.send(
            adapter=f"{adapter.__module__}:{adapter.__qualname__}",
            thread_safe=bool(getattr(adapter, "__thread_safe__", False)),
        )


if __name__ == "__main__":
    main(sys.argv[1:])
