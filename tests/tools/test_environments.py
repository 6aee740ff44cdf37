"""Tests of ``tools.setup_lib.environments`` and ``setup``: what is trusted, what made again."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.tools.fake_machine import Machine
from tools.setup_lib.environments import free_threaded_environment, twin_environment
from tools.setup_lib.errors import SetupError
from tools.setup_lib.layout import Layout
from tools.setup_lib.setup import is_set_up, set_up


def prepare(machine: Machine, layout: Layout | None = None, *, twin: bool = False) -> None:
    set_up(layout or machine.layout, machine.runner(), twin=twin)


def made(machine: Machine) -> int:
    """How many environments were made so far."""
    return sum(line.startswith("venv ") for line in machine.lines())


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """A machine with both environments made from interpreters on PATH."""
    machine.python("python3.13t")
    machine.python("python3.13", free_threaded=False)
    prepare(machine, twin=True)
    assert made(machine) == 2
    return machine


def test_the_first_run_and_the_second(machine: Machine) -> None:
    machine.python("python3.13t")
    assert not is_set_up(machine.layout, twin=False)
    prepare(machine)
    assert is_set_up(machine.layout, twin=False)
    assert not is_set_up(machine.layout, twin=True)
    pip = [line.split(" -m pip ")[1] for line in machine.lines() if line.startswith("pip ")]
    common = machine.layout.requirements / "common.lock"
    assert [line.partition("pip-version-check ")[2] for line in pip] == [
        f"install --require-hashes --no-deps --only-binary=:all: -r {common}",
        f"install --no-index --no-deps --no-build-isolation --editable {machine.layout.root}",
        "check",
    ]
    # A second run asks nobody anything: not even the interpreter is there to be asked.
    before = machine.lines(), machine.output
    machine.bin.rename(machine.bin.with_name("gone"))
    shutil.copytree(machine.bin.with_name("gone"), machine.bin, symlinks=True)
    shutil.copystat(machine.bin.with_name("gone") / "python3.13t", machine.bin / "python3.13t")
    prepare(machine)
    assert (machine.lines(), machine.output) == before


def test_the_twin_has_both_locks(ready: Machine) -> None:
    (call,) = (line for line in ready.lines() if "gil.lock" in line)
    assert "common.lock" in call
    assert is_set_up(ready.layout, twin=True)


@pytest.mark.parametrize(
    ("change", "remade"),
    [
        ("common.lock", 2),
        ("gil.lock", 1),
        ("interpreter", 2),
        ("python link", 1),
        ("entry point", 1),
        ("stamp of nonsense", 1),
        ("no stamp", 1),
        ("stamp of an older set-up", 1),
    ],
)
def test_what_makes_an_environment_be_made_again(ready: Machine, change: str, remade: int) -> None:
    layout = ready.layout
    environment = free_threaded_environment(layout)
    match change:
        case "common.lock" | "gil.lock":
            (layout.requirements / change).write_text("changed\n")
        case "interpreter":
            os.utime(ready.bin / "python3.13t", (1, 1))
            os.utime(ready.bin / "python3.13", (1, 1))
        case "python link":
            environment.python.unlink()
        case "entry point":
            (environment.folder / "bin" / "ftbridge").unlink()
        case "stamp of nonsense":
            environment.stamp.write_text("[]")
        case "no stamp":
            environment.stamp.unlink()
        case "stamp of an older set-up":
            stamp = json.loads(environment.stamp.read_text("utf-8"))
            del stamp["interpreter"]["pair"], stamp["interpreter"]["build"]
            environment.stamp.write_text(json.dumps(stamp))
    assert not is_set_up(layout, twin=True)
    prepare(ready, twin=True)
    assert made(ready) == 2 + remade
    assert is_set_up(layout, twin=True)


def test_a_changed_project_is_installed_again_and_nothing_else(ready: Machine) -> None:
    (ready.layout.root / "pyproject.toml").write_text("[project]\n# changed\n")
    assert not is_set_up(ready.layout, twin=False)
    before = len(ready.lines())
    prepare(ready, twin=True)
    calls = ready.lines()[before:]
    assert len([line for line in calls if "--editable" in line]) == 2
    assert made(ready) == 2
    assert not [line for line in calls if "--require-hashes" in line]


def test_a_moved_checkout_is_set_up_anew(ready: Machine) -> None:
    moved = ready.layout._replace(root=ready.folder / "moved")
    ready.layout.root.rename(moved.root)
    assert not is_set_up(moved, twin=False)


def test_another_named_interpreter_is_used_for_both(ready: Machine) -> None:
    mine = ready.python("mine", version=(3, 13, 7))
    layout = ready.layout._replace(python=str(mine))
    ready.python("python3.13", free_threaded=False, version=(3, 13, 7))
    assert not is_set_up(layout, twin=False)
    prepare(ready, layout, twin=True)
    assert made(ready) == 4
    assert is_set_up(layout, twin=True)
    # It stays when the variable is gone: the environment is complete.
    assert is_set_up(ready.layout, twin=True)


def test_a_better_interpreter_on_path_changes_nothing_by_itself(ready: Machine) -> None:
    ready.python("python3.14t", version=(3, 14, 0))
    assert is_set_up(ready.layout, twin=True)
    set_up(ready.layout, ready.runner(), twin=False, fresh=True)
    assert "3.14.0" in free_threaded_environment(ready.layout).stamp.read_text("utf-8")
    assert not is_set_up(ready.layout, twin=True)


def test_asking_for_a_profiled_interpreter(ready: Machine) -> None:
    ready.debian()
    layout = ready.layout._replace(pgo=True)
    assert not is_set_up(layout, twin=False)
    prepare(ready, layout)
    assert is_set_up(layout, twin=False)
    # Who does not ask any more keeps the better one.
    assert is_set_up(ready.layout, twin=False)


def test_a_changed_recipe_rebuilds(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.debian()
    prepare(machine)
    assert is_set_up(machine.layout, twin=False)
    monkeypatch.setattr("tools.setup_lib.recipe.COMPILE_FLAGS", "-O3")
    assert not is_set_up(machine.layout, twin=False)
    prepare(machine)
    assert len(list(machine.layout.interpreters.iterdir())) == 2


def test_a_deleted_cache_is_made_again(machine: Machine) -> None:
    machine.debian()
    prepare(machine, twin=True)
    shutil.rmtree(machine.layout.cache)
    assert not is_set_up(machine.layout, twin=False)
    prepare(machine, twin=True)
    assert is_set_up(machine.layout, twin=True)


@pytest.mark.parametrize("failing", ["--require-hashes", "--editable", "check"])
def test_a_step_that_fails_leaves_no_stamp(machine: Machine, failing: str) -> None:
    pip = f'case "$*" in *{failing}*) echo broken; exit 1;; esac'
    machine.python("python3.13t", pip=pip)
    with pytest.raises(SetupError):
        prepare(machine)
    assert not free_threaded_environment(machine.layout).stamp.exists()
    assert not is_set_up(machine.layout, twin=False)
    machine.python("python3.13t")
    prepare(machine)
    assert made(machine) == 2
    assert is_set_up(machine.layout, twin=False)


def test_a_wrong_hash_is_one_clear_line(machine: Machine) -> None:
    machine.python("python3.13t", pip="echo THESE PACKAGES DO NOT MATCH THE HASHES; exit 1")
    with pytest.raises(SetupError, match="differs from its locked hash"):
        prepare(machine)


def test_a_missing_lock(machine: Machine) -> None:
    machine.python("python3.13t")
    (machine.layout.requirements / "common.lock").unlink()
    with pytest.raises(SetupError, match=r"common\.lock is missing"):
        prepare(machine)


def test_what_is_not_a_folder_of_ours_is_not_deleted(machine: Machine, tmp_path: Path) -> None:
    machine.python("python3.13t")
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "file").touch()
    (machine.layout.root / ".venv").symlink_to(treasure)
    with pytest.raises(SetupError, match="is not a folder of its own"):
        prepare(machine)
    assert (treasure / "file").exists()


def test_leftovers_of_a_killed_run_do_not_reach_the_new_environment(machine: Machine) -> None:
    machine.python("python3.13t")
    folder = twin_environment(machine.layout).folder.with_name(".venv")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "ftbridge").touch()
    (folder / "bin" / "python").touch()
    assert not is_set_up(machine.layout, twin=False)
    (folder / "leftover").touch()
    prepare(machine)
    assert not (folder / "leftover").exists()
