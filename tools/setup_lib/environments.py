"""Makes the virtual environments of the checkout from locked, hashed requirement files.

An environment counts as complete only by its stamp, which is written last and removed first. The
stamp says what the environment was made of; when any of that changes, it is made again. Must not
import what it installs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import SetupError
from .interpreters import Interpreter
from .layout import clean_environment
from .recipe import Recipe
from .toolchain import check_space

if TYPE_CHECKING:
    from .layout import Layout
    from .runner import Runner

STAMP = "ftbridge-setup.json"
# Raised when the steps below change in a way that the stamp's content does not show.
STEPS_VERSION = 1
# Measured: .venv 118 MB, .venv-gil 236 MB; pip unpacks a wheel beside its download.
ENVIRONMENT_MEGABYTES = 400
PIP_TIMEOUT_SECONDS = 1800.0


class Environment(NamedTuple):
    """One environment: its folder in the checkout and the lock files it is made from."""

    folder: Path
    locks: tuple[Path, ...]
    free_threaded: bool

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return self.folder / STAMP


def free_threaded_environment(layout: Layout) -> Environment:
    """``.venv``: what serves and is tested."""
    return Environment(layout.root / ".venv", (layout.requirements / "common.lock",), True)


def twin_environment(layout: Layout) -> Environment:
    """``.venv-gil``: the same packages on the twin, with the checkers and the official grpcio."""
    locks = (layout.requirements / "common.lock", layout.requirements / "gil.lock")
    return Environment(layout.root / ".venv-gil", locks, False)


def recorded_interpreter(
    environment: Environment, layout: Layout, *, pair: Interpreter | None = None
) -> Interpreter | None:
    """The environment's interpreter, when it is complete and still what is asked for; else None.

    Costs a few small reads and starts no process. Another interpreter that appeared on PATH since
    is no reason to make it again; another ``FTBRIDGE_PYTHON``, ``FTBRIDGE_PGO``, lock, recipe or
    place of the checkout is, and for the twin another ``pair``, its free-threaded interpreter.
    """
    try:
        stamp = json.loads(environment.stamp.read_text("utf-8"))
        record = stamp["interpreter"]
        if stamp["digest"] != _digest(environment, layout, record):
            return None
        if not (environment.python.exists() and _entry_point(environment).exists()):
            return None
        if not _as_wished(record, environment, layout, pair):
            return None
        major, minor, micro = map(int, record["version"].split("."))
        return Interpreter(
            path=Path(record["path"]),
            version=(major, minor, micro),
            free_threaded=environment.free_threaded,
            origin=record["origin"],
            build=record["build"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def has_current_project(environment: Environment, layout: Layout) -> bool:
    """Whether the project in a complete environment was installed from this pyproject.toml."""
    stamp = json.loads(environment.stamp.read_text("utf-8"))
    return bool(stamp["project"] == _project_digest(layout))


def make_environment(
    environment: Environment,
    interpreter: Interpreter,
    layout: Layout,
    runner: Runner,
    *,
    pair: Interpreter | None = None,
) -> None:
    """Makes the environment anew, whatever is there. Call with the checkout's lock held.

    ``pair`` is the free-threaded interpreter of a twin. Raises ``SetupError``; the environment then
    has no stamp, and the next run makes it again.
    """
    folder = environment.folder
    _clear(environment)
    check_space(layout.root, ENVIRONMENT_MEGABYTES, f"making {folder.name}")
    for lock in environment.locks:
        if not lock.is_file():
            raise SetupError(f"{lock} is missing: restore it, or run tools/setup --lock")
    runner.run(
        f"making {folder.name}",
        [interpreter.path, "-m", "venv", folder],
        advice="the interpreter cannot make virtual environments; set FTBRIDGE_PYTHON to another",
    )
    requirements = [word for lock in environment.locks for word in ("-r", lock)]
    runner.run(
        f"installing the locked packages into {folder.name}",
        [
            *_pip(environment),
            "install",
            "--require-hashes",
            # The lock holds every dependency; a build from source would not be the locked wheel.
            "--no-deps",
            "--only-binary=:all:",
            *requirements,
        ],
        environment=_pip_variables(),
        advice="check the configured package index and the network",
        timeout=PIP_TIMEOUT_SECONDS,
    )
    stamp: dict[str, Any] = {"interpreter": _identity(interpreter, layout, pair)}
    stamp["digest"] = _digest(environment, layout, stamp["interpreter"])
    _install(environment, layout, runner, stamp)


def install_project(environment: Environment, layout: Layout, runner: Runner) -> None:
    """Installs the project into a complete environment again. Call with the checkout's lock."""
    stamp = json.loads(environment.stamp.read_text("utf-8"))
    environment.stamp.unlink()
    _install(environment, layout, runner, stamp)


def _install(
    environment: Environment, layout: Layout, runner: Runner, stamp: dict[str, Any]
) -> None:
    with runner.console.step(f"installing ftbridge into {environment.folder.name}") as step:
        runner.run_in(
            step,
            [
                *_pip(environment),
                "install",
                "--no-index",
                "--no-deps",
                "--no-build-isolation",
                "--editable",
                layout.root,
            ],
            environment=_pip_variables(),
            advice="pyproject.toml and the packages do not agree; see the log",
        )
        runner.run_in(
            step,
            [*_pip(environment), "check"],
            environment=_pip_variables(),
            advice="the lock files lack a dependency: run tools/setup --lock",
        )
        if not _entry_point(environment).exists():
            raise SetupError(
                f"{_entry_point(environment)} was not made: pyproject.toml must declare the script"
            )
    stamp["project"] = _project_digest(layout)
    temporary = environment.stamp.with_suffix(".new")
    temporary.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    temporary.replace(environment.stamp)


def _clear(environment: Environment) -> None:
    folder = environment.folder
    if folder.is_symlink() or folder.is_file():
        raise SetupError(f"{folder} is not a folder of its own: move it away, and run again")
    try:
        environment.stamp.unlink()
    except OSError:
        pass
    if folder.exists():
        shutil.rmtree(folder)


def _pip(environment: Environment) -> list[str | os.PathLike[str]]:
    return [environment.python, "-I", "-m", "pip", "--no-input", "--disable-pip-version-check"]


def _pip_variables() -> dict[str, str]:
    # A user's pip settings for hashes and wheels must not weaken the flags given here.
    variables = clean_environment()
    for name in ("PIP_NO_BINARY", "PIP_ONLY_BINARY", "PIP_REQUIRE_VIRTUALENV", "PIP_NO_DEPS"):
        variables.pop(name, None)
    return variables


def _entry_point(environment: Environment) -> Path:
    return environment.folder / "bin" / "ftbridge"


def _as_wished(
    record: dict[str, Any], environment: Environment, layout: Layout, pair: Interpreter | None
) -> bool:
    build, pgo = record["build"], bool(record["pgo"])
    if build and not build.endswith(Recipe(environment.free_threaded, pgo).digest):
        return False
    if pair is not None:
        return bool(record["pair"] == str(pair.path))
    if layout.python:
        return bool(record["wished"] == layout.python)
    return pgo or not layout.pgo


def _identity(interpreter: Interpreter, layout: Layout, pair: Interpreter | None) -> dict[str, Any]:
    status = interpreter.path.stat()
    return {
        "path": str(interpreter.path),
        "version": interpreter.version_text,
        "origin": interpreter.origin,
        "build": interpreter.build,
        "pgo": "-pgo-" in interpreter.build,
        "wished": layout.python,
        "pair": "" if pair is None else str(pair.path),
        "size": status.st_size,
        "modified": status.st_mtime_ns,
    }


def _digest(environment: Environment, layout: Layout, interpreter: dict[str, Any]) -> str:
    """Of everything the environment was made from; raises ``OSError`` when a part is gone."""
    status = Path(interpreter["path"]).stat()
    if [status.st_size, status.st_mtime_ns] != [interpreter["size"], interpreter["modified"]]:
        raise FileNotFoundError(interpreter["path"])
    digest = hashlib.sha256(f"{STEPS_VERSION}\0{layout.root}\0".encode())
    digest.update(json.dumps(interpreter, sort_keys=True).encode())
    for lock in environment.locks:
        digest.update(lock.read_bytes())
    return digest.hexdigest()


def _project_digest(layout: Layout) -> str:
    return hashlib.sha256((layout.root / "pyproject.toml").read_bytes()).hexdigest()
