"""Writes the lock files: every package of both environments, by version and by hash.

``common.lock`` holds what both builds get, resolved for the oldest interpreter and then demanded at
the same versions for the others, so that a comparison of the two compares the interpreters.
``gil.lock`` holds what only has wheels for builds with the GIL. Hashes are those of the package
index's files; wheels that a machine adds by itself (find-links, extra indexes) are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import SetupError
from .layout import clean_environment
from .locking import exclusive
from .search import find_free_threaded

if TYPE_CHECKING:
    from pathlib import Path

    from .layout import Layout
    from .runner import Runner

# glibc versions that wheels name: 2.5 is manylinux1, 2.36 Debian bookworm's, the oldest we support.
GLIBC_MINORS = range(5, 37)
MACHINES = ("x86_64", "aarch64")
# manylinux1, 2010 and 2014 are other names of the glibc versions above, still found on wheels.
LEGACY_PLATFORMS = ("manylinux1", "manylinux2010", "manylinux2014")
# Settings of pip that say how to reach the index; the rest of its configuration is left out.
INDEX_SETTINGS = ("index-url", "cert", "client-cert", "proxy", "trusted-host")
HEADER = """\
# Written by tools/setup --lock from pyproject.toml; do not edit.
# Wheels for CPython 3.13 and 3.14 on Linux (glibc), x86-64 and arm64{scope}.
# inputs: {digest}
"""
# Runs on the free-threaded interpreter, which has tomllib where the set-up's own may not.
_READ_INPUTS = """
import json, sys, tomllib
with open(sys.argv[1], "rb") as file:
    content = tomllib.load(file)
groups = content["dependency-groups"]
print(json.dumps({
    "common": [*content["project"]["dependencies"], *groups["test"],
               *content["build-system"]["requires"]],
    "gil": groups["gil"],
}))
"""


class Target(NamedTuple):
    """An interpreter and machine that wheels are chosen for, as in ``3.13``, ``cp313t``."""

    python: str
    abi: str
    machine: str


def targets(*, free_threaded: bool) -> list[Target]:
    """The supported targets of one kind, the one that decides the versions first."""
    suffix = "t" if free_threaded else ""
    return [
        Target(python, f"cp{python.replace('.', '')}{suffix}", machine)
        for python in ("3.13", "3.14")
        for machine in MACHINES
    ]


def inputs_digest(requirements: list[str]) -> str:
    """Names the requirements a lock was made from, to see that it is still current."""
    return hashlib.sha256("\n".join(sorted(requirements)).encode()).hexdigest()


def relock(layout: Layout, runner: Runner) -> None:
    """Resolves anew and writes both lock files. Raises ``SetupError``; the old files then stay."""
    interpreter = find_free_threaded(layout, runner)
    work = layout.cache / "relock"
    with exclusive(layout.cache / "lock", runner.console):
        shutil.rmtree(work, ignore_errors=True)
        try:
            runner.run("making a resolver", [interpreter.path, "-m", "venv", work / "venv"])
            python = work / "venv" / "bin" / "python"
            answer = runner.output_of(
                [python, "-I", "-c", _READ_INPUTS, layout.root / "pyproject.toml"]
            )
            if not answer:
                raise SetupError("pyproject.toml lacks its dependencies or groups test and gil")
            inputs = json.loads(answer)
            resolver = _Resolver(runner, python, work)
            common = resolver.resolve(
                inputs["common"], targets(free_threaded=True) + targets(free_threaded=False)
            )
            both = resolver.resolve([*inputs["gil"], *_pins(common)], targets(free_threaded=False))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    only_gil = {name: entry for name, entry in both.items() if name not in common}
    _write(layout.requirements / "common.lock", common, inputs["common"], ", either kind")
    _write(layout.requirements / "gil.lock", only_gil, inputs["gil"], ", with the GIL")


class _Package(NamedTuple):
    version: str
    hashes: set[str]


class _Resolver:
    def __init__(self, runner: Runner, python: Path, work: Path) -> None:
        self._runner = runner
        self._python = python
        self._work = work
        self._variables = self._pip_variables()

    def resolve(self, requirements: list[str], wanted: list[Target]) -> dict[str, _Package]:
        """The packages for all targets: versions as the first one has them, hashes of all."""
        packages: dict[str, _Package] = {}
        for target in wanted:
            extra = _pins(packages)
            for item in self._report(requirements + extra, target):
                name = item["metadata"]["name"].lower().replace("_", "-").replace(".", "-")
                version = item["metadata"]["version"]
                download = item["download_info"]
                if not download["url"].startswith("https:"):
                    raise SetupError(
                        f"{name} {version} came from {download['url']}, not from the package "
                        "index: unset the machine's own sources of packages, and run again"
                    )
                package = packages.setdefault(name, _Package(version, set()))
                package.hashes.add(download["archive_info"]["hashes"]["sha256"])
        return packages

    def _report(self, requirements: list[str], target: Target) -> list[dict[str, Any]]:
        report = self._work / "report.json"
        asked = self._work / "requirements.txt"
        asked.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        platforms = [f"{name}_{target.machine}" for name in LEGACY_PLATFORMS]
        platforms += [f"manylinux_2_{minor}_{target.machine}" for minor in GLIBC_MINORS]
        options = [word for name in reversed(platforms) for word in ("--platform", name)]
        self._runner.run(
            f"resolving for {target.abi} on {target.machine}",
            [
                *(self._python, "-I", "-m", "pip", "install", "--dry-run", "--ignore-installed"),
                *(
                    "--only-binary=:all:",
                    "--implementation=cp",
                    f"--python-version={target.python}",
                ),
                *(f"--abi={target.abi}", *_stable_abi(target), "--abi=none", *options),
                *(f"--target={self._work / 'target'}", f"--report={report}", "-r", asked),
            ],
            environment=self._variables,
            advice="a package has no wheel for this target; see the log",
        )
        installed: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))["install"]
        return installed

    def _pip_variables(self) -> dict[str, str]:
        """The environment for pip: its index settings kept, other sources of packages not."""
        variables = clean_environment(PIP_CONFIG_FILE=os.devnull)
        for name in INDEX_SETTINGS:
            value = self._runner.output_of(
                [self._python, "-I", "-m", "pip", "config", "get", f"global.{name}"]
            ).strip()
            variable = "PIP_" + name.upper().replace("-", "_")
            if value:
                variables.setdefault(variable, value)
        for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
            variables.pop(name, None)
        return variables


def _stable_abi(target: Target) -> list[str]:
    # The free-threaded builds cannot load extensions of the stable ABI.
    return [] if target.abi.endswith("t") else ["--abi=abi3"]


def _pins(packages: dict[str, _Package]) -> list[str]:
    return [f"{name}=={package.version}" for name, package in packages.items()]


def _write(path: Path, packages: dict[str, _Package], inputs: list[str], scope: str) -> None:
    lines = [HEADER.format(scope=scope, digest=inputs_digest(inputs))]
    for name, package in sorted(packages.items()):
        hashes = "".join(f" \\\n    --hash=sha256:{value}" for value in sorted(package.hashes))
        lines.append(f"{name}=={package.version}{hashes}\n")
    temporary = path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text("".join(lines), encoding="utf-8")
    temporary.replace(path)
