"""Tests of ``tools.setup_lib.search``: the order, and the choice of the twin."""

import shutil
from pathlib import Path

import pytest

from tests.tools.fake_machine import Machine
from tools.setup_lib.errors import SetupError
from tools.setup_lib.search import find_free_threaded, find_twin

UV = """
case "$*" in
"python install 3.13t")
    mkdir -p "$UV_PYTHON_INSTALL_DIR/cpython-3.13.9+freethreaded-linux/bin"
    cp "@FREE@" "$UV_PYTHON_INSTALL_DIR/cpython-3.13.9+freethreaded-linux/bin/python3.13t" ;;
"python install 3.13.5")
    mkdir -p "$UV_PYTHON_INSTALL_DIR/cpython-3.13.5-linux/bin"
    cp "@GIL@" "$UV_PYTHON_INSTALL_DIR/cpython-3.13.5-linux/bin/python3.13" ;;
esac
"""


def put_uv(machine: Machine) -> None:
    free = machine.python("uv-free")
    gil = machine.python("uv-gil", free_threaded=False)
    machine.script("uv", UV.replace("@FREE@", str(free)).replace("@GIL@", str(gil)))


def test_each_way_gives_way_to_the_one_before(machine: Machine) -> None:
    layout = machine.layout
    machine.debian()
    built = find_free_threaded(layout, machine.runner())
    assert built.origin == "built"
    # One built before comes before uv, and PATH before both.
    put_uv(machine)
    assert find_free_threaded(layout, machine.runner()).path == built.path
    path13 = machine.python("python3.13t")
    assert find_free_threaded(layout, machine.runner()).path == path13
    path14 = machine.python("python3.14t", version=(3, 14, 0))
    assert find_free_threaded(layout, machine.runner()).path == path14
    mine = machine.python("mine")
    named = layout._replace(python=str(mine))
    found = find_free_threaded(named, machine.runner())
    assert (found.path, found.origin) == (mine, "named")


def test_uv_comes_before_a_build(machine: Machine) -> None:
    machine.debian()
    put_uv(machine)
    found = find_free_threaded(machine.layout, machine.runner())
    assert found.origin == "uv"
    assert found.path.is_relative_to(machine.layout.cache / "uv")
    assert not machine.lines()


def test_a_uv_that_does_not_reach_its_source_is_passed_over(machine: Machine) -> None:
    machine.debian()
    machine.script("uv", "echo 'error: Connection refused'; exit 1")
    assert find_free_threaded(machine.layout, machine.runner()).origin == "built"
    assert "uv cannot fetch CPython 3.13t (no network" in machine.output


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"free_threaded": False}, "a build with the GIL"),
        ({"version": (3, 12, 1)}, "older than 3.13"),
        ({"missing": ("ensurepip",)}, "lacks the standard modules ensurepip"),
    ],
)
def test_what_is_unsuitable_on_path_is_named_and_passed_over(
    machine: Machine, answer: dict[str, object], reason: str
) -> None:
    machine.python("python3.14t", **answer)  # type: ignore[arg-type]
    good = machine.python("python3.13t")
    assert find_free_threaded(machine.layout, machine.runner()).path == good
    assert f"passing over {machine.bin / 'python3.14t'}: it" in machine.output
    assert reason in machine.output


def test_an_unsuitable_named_interpreter_is_an_error(machine: Machine) -> None:
    machine.python("python3.13t")
    gil = machine.python("mine", free_threaded=False)
    with pytest.raises(SetupError, match=r"FTBRIDGE_PYTHON=\S.*is 3\.13\.5, a build with the GIL"):
        find_free_threaded(machine.layout._replace(python=str(gil)), machine.runner())


def test_a_named_interpreter_may_be_a_command(machine: Machine) -> None:
    mine = machine.python("mine")
    assert find_free_threaded(machine.layout._replace(python="mine"), machine.runner()).path == mine
    with pytest.raises(SetupError, match="FTBRIDGE_PYTHON=other is not a command on PATH"):
        find_free_threaded(machine.layout._replace(python="other"), machine.runner())


def test_a_profiled_interpreter_is_only_one_of_ours(machine: Machine) -> None:
    machine.debian()
    put_uv(machine)
    machine.python("python3.13t")
    plain = find_free_threaded(machine.layout, machine.runner())
    assert plain.origin == "path"
    layout = machine.layout._replace(pgo=True)
    found = find_free_threaded(layout, machine.runner())
    assert found.origin == "built"
    options = (found.path.parent.parent / "options").read_text("utf-8")
    assert "--enable-optimizations" in options
    twin = find_twin(found, layout, machine.runner())
    options = (twin.path.parent.parent / "options").read_text("utf-8")
    assert "--enable-optimizations" in options
    assert "--disable-gil" not in options


def test_the_twin_of_a_build_is_built_even_where_path_has_one(machine: Machine) -> None:
    machine.debian()
    machine.python("python3.13", free_threaded=False)
    built = find_free_threaded(machine.layout, machine.runner())
    twin = find_twin(built, machine.layout, machine.runner())
    assert twin.origin == "built"
    assert not twin.free_threaded


def test_the_twin_of_a_found_one_is_the_same_version(machine: Machine, tmp_path: Path) -> None:
    machine.python("python3.13t")
    other = tmp_path / "other"
    other.mkdir()
    machine.python("python3.13", free_threaded=False, version=(3, 13, 4))
    right = machine.python("right", free_threaded=False)
    shutil.copy(right, other / "python3.13")
    layout = machine.layout._replace(search_path=f"{machine.bin}:{other}")
    found = find_free_threaded(layout, machine.runner())
    assert find_twin(found, layout, machine.runner()).path == other / "python3.13"


def test_the_twin_of_uvs_is_uvs(machine: Machine) -> None:
    machine.debian()
    put_uv(machine)
    found = find_free_threaded(machine.layout, machine.runner())
    twin = find_twin(found, machine.layout, machine.runner())
    assert twin.origin == "uv"
    assert not twin.free_threaded


def test_a_twin_of_another_build_is_said_to_be_one(machine: Machine) -> None:
    machine.debian()
    machine.python("python3.14t", version=(3, 14, 0))
    found = find_free_threaded(machine.layout, machine.runner())
    twin = find_twin(found, machine.layout, machine.runner())
    assert twin.origin == "built"
    assert "of another build than" in machine.output


def test_rebuilding_passes_over_path(machine: Machine) -> None:
    machine.debian()
    machine.python("python3.13t")
    assert find_free_threaded(machine.layout, machine.runner(), rebuild=True).origin == "built"
