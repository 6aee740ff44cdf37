"""Tests of ``tools.setup_lib.build``: every real step, on a source that builds in no time."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.fake_machine import REPOSITORY, Machine
from tools.setup_lib.build import RECORD, ensure_built, find_built, source_version_of
from tools.setup_lib.errors import SetupError
from tools.setup_lib.recipe import Recipe

FREE_THREADED = Recipe(free_threaded=True, pgo=False)


def apt_calls(machine: Machine) -> int:
    return sum(line.startswith("apt-get") for line in machine.lines())


def test_a_build_and_its_second_use(machine: Machine) -> None:
    machine.debian()
    assert find_built(machine.layout, FREE_THREADED) is None
    built = ensure_built(machine.layout, FREE_THREADED, machine.runner())
    assert built.free_threaded
    assert built.origin == "built"
    assert built.path.parent.parent.parent == machine.layout.interpreters
    assert (built.path.parent.parent / RECORD).is_file()
    assert not machine.layout.work.exists()
    # Nothing is left in the folder for temporary files, where a path with a space is built.
    assert [path.name for path in machine.folder.parent.iterdir()] == [machine.folder.name]
    shutil.rmtree(machine.layout.sources)
    before = apt_calls(machine)
    assert ensure_built(machine.layout, FREE_THREADED, machine.runner()).path == built.path
    assert apt_calls(machine) == before


def test_a_cache_without_spaces_is_its_own_prefix(machine: Machine, tmp_path: Path) -> None:
    machine.debian()
    layout = machine.layout._replace(cache=tmp_path / "cache")
    built = ensure_built(layout, FREE_THREADED, machine.runner())
    folder = built.path.parent.parent
    options = (folder / "options").read_text("utf-8").split()
    assert f"--prefix={folder}" in options
    assert "--disable-gil" in options
    assert "--disable-test-modules" in options


def test_debians_fixes_are_applied_and_its_layout_is_not(machine: Machine) -> None:
    machine.debian()
    built = ensure_built(machine.layout, FREE_THREADED, machine.runner())
    assert (built.path.parent.parent / "seen").read_text("utf-8") == "fixed\n"


def test_the_twin_is_of_the_same_source(machine: Machine) -> None:
    machine.debian(version="3.13.5-2")
    built = ensure_built(machine.layout, FREE_THREADED, machine.runner())
    version = source_version_of(built, machine.layout)
    assert version == "3.13.5-2"
    machine.debian(version="3.13.6-1")
    twin = ensure_built(
        machine.layout, FREE_THREADED.twin, machine.runner(), source_version=version
    )
    assert not twin.free_threaded
    assert source_version_of(twin, machine.layout) == version


def test_a_twin_whose_source_is_gone(machine: Machine) -> None:
    machine.debian(version="3.13.5-2")
    ensure_built(machine.layout, FREE_THREADED, machine.runner())
    shutil.rmtree(machine.layout.sources)
    machine.debian(version="3.13.6-1")
    with pytest.raises(SetupError, match=r"3\.13\.5-2 is no longer.*--gil --rebuild"):
        ensure_built(
            machine.layout, FREE_THREADED.twin, machine.runner(), source_version="3.13.5-2"
        )


def test_building_again_takes_debians_current_source(machine: Machine) -> None:
    machine.debian(version="3.13.5-2")
    ensure_built(machine.layout, FREE_THREADED, machine.runner())
    machine.debian(version="3.13.5-3")
    again = ensure_built(machine.layout, FREE_THREADED, machine.runner(), again=True)
    assert source_version_of(again, machine.layout) == "3.13.5-3"
    found = find_built(machine.layout, FREE_THREADED)
    assert found is not None
    assert found.path == again.path


def test_a_changed_flag_builds_anew(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.debian()
    ensure_built(machine.layout, FREE_THREADED, machine.runner())
    monkeypatch.setattr("tools.setup_lib.recipe.COMPILE_FLAGS", "-O3")
    assert find_built(machine.layout, FREE_THREADED) is None


def test_a_failed_build_leaves_nothing_to_trust(machine: Machine) -> None:
    machine.debian(build="echo broken; exit 1")
    with pytest.raises(SetupError, match=r"^make failed") as caught:
        ensure_built(machine.layout, FREE_THREADED, machine.runner())
    assert any("broken" in line for line in caught.value.log_tail)
    assert find_built(machine.layout, FREE_THREADED) is None
    assert not machine.layout.work.exists()
    machine.debian()
    shutil.rmtree(machine.layout.sources)
    assert ensure_built(machine.layout, FREE_THREADED, machine.runner()).free_threaded


def test_a_full_disk(machine: Machine) -> None:
    machine.debian(build="echo 'x.o: No space left on device'; exit 1")
    with pytest.raises(SetupError, match=r"^the disk is full"):
        ensure_built(machine.layout, FREE_THREADED, machine.runner())


def test_a_build_that_lacks_a_module_is_not_published(machine: Machine) -> None:
    machine.debian(missing=("ssl",))
    with pytest.raises(SetupError, match="the CPython just built lacks the standard modules ssl"):
        ensure_built(machine.layout, FREE_THREADED, machine.runner())
    assert find_built(machine.layout, FREE_THREADED) is None


def test_missing_packages_are_found_before_anything_is_fetched(machine: Machine) -> None:
    machine.debian()
    (machine.bin / "cc").unlink()
    with pytest.raises(SetupError, match="apt-get install gcc"):
        ensure_built(machine.layout, FREE_THREADED, machine.runner())
    assert apt_calls(machine) == 0


def test_a_damaged_build_is_passed_over(machine: Machine) -> None:
    machine.debian()
    built = ensure_built(machine.layout, FREE_THREADED, machine.runner())
    built.path.unlink()
    assert find_built(machine.layout, FREE_THREADED) is None
    assert ensure_built(machine.layout, FREE_THREADED, machine.runner()).path == built.path
    (built.path.parent.parent / RECORD).write_text("{")
    assert find_built(machine.layout, FREE_THREADED) is None


BUILDER = """
import sys
from pathlib import Path
from tools.setup_lib.build import ensure_built
from tools.setup_lib.console import Console
from tools.setup_lib.layout import Layout
from tools.setup_lib.recipe import Recipe
from tools.setup_lib.runner import Runner
layout = Layout(root=Path("."), cache=Path(sys.argv[1]))
runner = Runner(Console(), layout.logs)
ensure_built(layout, Recipe(free_threaded=True, pgo=False), runner)
"""


def start_builder(machine: Machine, cache: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", BUILDER, str(cache)]
    return machine.start(argv, PYTHONPATH=str(REPOSITORY))


def test_after_a_kill_in_the_middle_the_next_one_waits_and_builds_anew(
    machine: Machine, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    started, go = tmp_path / "started", tmp_path / "go"
    for pipe in (started, go):
        os.mkfifo(pipe)
    # Opening a FIFO waits for the other end: the build stands still until the test goes on.
    machine.debian(build=f"echo x > {started}; read answer < {go}")
    first = start_builder(machine, cache)
    started.read_text()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = start_builder(machine, cache)
    assert second.stderr is not None
    # The killed one's make lives on and holds the lock.
    while "another set-up is at work" not in (line := second.stderr.readline()):
        assert line
    go.write_text("go\n")
    # The second one's own build, in an empty work folder.
    started.read_text()
    go.write_text("go\n")
    assert second.wait() == 0
    second.communicate()
    layout = machine.layout._replace(cache=cache)
    assert find_built(layout, FREE_THREADED) is not None


def test_two_at_once_build_once(machine: Machine, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    started, go = tmp_path / "started", tmp_path / "go"
    for pipe in (started, go):
        os.mkfifo(pipe)
    machine.debian(build=f"echo x > {started}; read answer < {go}")
    first = start_builder(machine, cache)
    started.read_text()
    second = start_builder(machine, cache)
    assert second.stderr is not None
    while "another set-up is at work" not in (line := second.stderr.readline()):
        assert line
    go.write_text("go\n")
    assert first.wait() == 0
    assert second.wait() == 0
    assert apt_calls(machine) == 2  # one update, one source
    first.communicate()
    second.communicate()
