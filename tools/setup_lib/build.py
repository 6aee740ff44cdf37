"""Builds CPython from Debian's source into the cache, complete or not at all.

The result is installed into a work folder and moved to its place by one rename, after it was
started and checked. Everything here runs under the cache's lock, so that whatever lies in the work
folder at the start is left over from a run that was killed.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .debian import Source, fetch_source, stored_sources
from .errors import SetupError
from .interpreters import Interpreter, UnsuitableError, probe, require
from .layout import clean_environment, processors
from .locking import exclusive
from .recipe import COMPILE_FLAGS, PATCH_SUFFIX, Recipe
from .toolchain import check_space, check_toolchain

if TYPE_CHECKING:
    from .layout import Layout
    from .runner import Runner

# Written inside the build before it is moved to its place.
RECORD = "ftbridge-build.json"
# Measured for 3.13.5: source 118 MB, objects 55, installed 83 twice; profiles double the objects.
BUILD_MEGABYTES = 600
# For a cache path that a makefile cannot hold. CPython finds its library from its executable.
NEUTRAL_PREFIX = "/opt/ftbridge-python"


def find_built(layout: Layout, recipe: Recipe, *, source_version: str = "") -> Interpreter | None:
    """The newest complete build of ``recipe``, or None; ``source_version`` demands that source."""
    records = sorted(
        layout.interpreters.glob(f"cpython-*-{recipe.kind}-{recipe.digest}/{RECORD}"),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for record in records:
        try:
            content = json.loads(record.read_text("utf-8"))
            if source_version and content["source"] != source_version:
                continue
            name = record.parent.name
            executable = record.parent / "bin" / content["executable"]
            found = probe(executable, origin="built", build=name)
            return require(found, free_threaded=recipe.free_threaded)
        except (OSError, ValueError, KeyError, UnsuitableError):
            continue
    return None


def ensure_built(
    layout: Layout, recipe: Recipe, runner: Runner, *, source_version: str = "", again: bool = False
) -> Interpreter:
    """The build of ``recipe``, made now if there is none; waits for another set-up's build.

    ``source_version`` demands that very source (the twin's case). ``again`` builds even so. Raises
    ``SetupError``.
    """
    with exclusive(layout.cache / "lock", runner.console) as lock:
        found = None if again else find_built(layout, recipe, source_version=source_version)
        if found is not None:
            return found
        toolchain = check_toolchain()
        runner.held.append(lock)
        try:
            source = source_for(layout, runner, source_version, fresh=again)
            return _build(layout, recipe, source, runner, toolchain.missing_optional)
        finally:
            runner.held.remove(lock)


def source_version_of(interpreter: Interpreter, layout: Layout) -> str:
    """The Debian version of the source that ``interpreter`` was built from."""
    record = layout.interpreters / interpreter.build / RECORD
    return str(json.loads(record.read_text("utf-8"))["source"])


def source_for(layout: Layout, runner: Runner, wanted: str, *, fresh: bool = False) -> Source:
    """The source to build: ``wanted`` where given; ``fresh`` asks Debian for its current one.

    Call with the cache's lock held. Raises ``SetupError``.
    """
    stored = [source for source in stored_sources(layout) if wanted in {"", source.version}]
    if stored and (wanted or not fresh):
        return stored[0]
    source = fetch_source(layout, runner)
    if wanted not in {"", source.version}:
        raise SetupError(
            f"the free-threaded build's source {wanted} is no longer to be had, Debian now has "
            f"{source.version}: run tools/setup --gil --rebuild, which builds both from that one"
        )
    return source


def _build(
    layout: Layout,
    recipe: Recipe,
    source: Source,
    runner: Runner,
    missing_optional: tuple[str, ...],
) -> Interpreter:
    title = f"CPython {source.python_version} ({recipe.kind})"
    work = _work_folder(layout)
    check_space(work.parent, BUILD_MEGABYTES, f"building {title}")
    shutil.rmtree(layout.work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    final = layout.interpreters / recipe.build_name(source.version)
    prefix = NEUTRAL_PREFIX if _needs_quoting(final) else str(final)
    if missing_optional:
        runner.console.say(
            f"{title} will lack some optional modules; to have them, as root: apt-get install "
            f"{' '.join(missing_optional)}, then tools/setup --rebuild"
        )
    try:
        tree = _unpack(source, work, runner)
        _compile(tree, work, prefix, recipe, runner, title)
        staged = work / "installed" / prefix.lstrip("/")
        interpreter = _checked(staged, recipe, runner)
        record = {
            "source": source.version,
            "executable": interpreter.path.name,
            "configure": recipe.configure_options,
            "flags": COMPILE_FLAGS,
        }
        (staged / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        _publish(staged, final)
        return interpreter._replace(
            path=final / "bin" / interpreter.path.name, origin="built", build=final.name
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _work_folder(layout: Layout) -> Path:
    """Where to build: in the cache, unless its path has what CPython's makefile cannot quote."""
    if not _needs_quoting(layout.work):
        return layout.work
    return Path(tempfile.mkdtemp(prefix="ftbridge-build-"))


def _needs_quoting(path: Path) -> bool:
    return re.search(r"[^\w./+@%=-]", str(path)) is not None


def _unpack(source: Source, work: Path, runner: Runner) -> Path:
    tree = work / "source"
    tree.mkdir()
    debian = work / "debian-package"
    debian.mkdir()
    with runner.console.step("unpacking the source and applying Debian's security fixes") as step:
        advice = f"delete {source.folder} and run again"
        for archive, folder in ((source.original, tree), (source.changes, debian)):
            strip = "--strip-components=1"
            runner.run_in(
                step, ["tar", "-xf", archive, "-C", folder, "--no-same-owner", strip], advice=advice
            )
        patches = debian / "patches"
        for name in (patches / "series").read_text("utf-8").split("\n"):
            if name.endswith(PATCH_SUFFIX) and not name.startswith("#"):
                runner.run_in(
                    step,
                    ["patch", "-p1", "--batch", "--forward", "-i", patches / name],
                    cwd=tree,
                    advice=f"Debian's fix {name} does not apply to {source.version}: report this, "
                    "and set FTBRIDGE_PYTHON meanwhile",
                )
    return tree


def _compile(
    tree: Path, work: Path, prefix: str, recipe: Recipe, runner: Runner, title: str
) -> None:
    objects = work / "objects"
    objects.mkdir()
    advice = "the log names the cause; FTBRIDGE_PYTHON=/path/to/python3.13t avoids the build"
    options = [f"--prefix={prefix}", f"OPT={COMPILE_FLAGS}", *recipe.configure_options]
    environment = clean_environment()
    # The machine's Python may be any; CPython's makefile needs none to build a release.
    environment.pop("PYTHON_FOR_BUILD", None)
    runner.run(
        f"configuring {title}",
        [tree / "configure", "-q", *options],
        cwd=objects,
        environment=environment,
        advice=advice,
    )
    minutes = "5 to 15 minutes" if recipe.pgo else "1 to 4 minutes"
    runner.run(
        f"building {title}, {minutes} on two processors",
        ["make", f"-j{processors()}"],
        cwd=objects,
        environment=environment,
        advice=advice,
    )
    runner.run(
        f"installing {title}",
        ["make", "install", f"DESTDIR={work / 'installed'}"],
        cwd=objects,
        environment=environment,
        advice=advice,
    )


def _checked(staged: Path, recipe: Recipe, runner: Runner) -> Interpreter:
    """The staged interpreter, started and asked; a build that lacks a part is never published."""
    suffix = "t" if recipe.free_threaded else ""
    executables = sorted((staged / "bin").glob(f"python3.[0-9]*[0-9]{suffix}"))
    try:
        return require(probe(executables[0], origin="built"), free_threaded=recipe.free_threaded)
    except (IndexError, UnsuitableError) as error:
        raise SetupError(
            f"the CPython just built {error}: see the log for the part that failed ({runner.log})"
        ) from None


def _publish(staged: Path, final: Path) -> None:
    """Moves ``staged`` to ``final``: by one rename, after a copy where file systems differ."""
    final.parent.mkdir(parents=True, exist_ok=True)
    incoming = final.parent / ".incoming"
    for leftover in (incoming, final):
        shutil.rmtree(leftover, ignore_errors=True)
    if staged.stat().st_dev == final.parent.stat().st_dev:
        staged.rename(final)
    else:
        shutil.copytree(staged, incoming, symlinks=True)
        incoming.rename(final)
