"""Tests of ``tools.setup_lib.uv``."""

from tests.tools.fake_machine import Machine
from tools.setup_lib.uv import install_with_uv


def test_without_uv(machine: Machine) -> None:
    runner = machine.runner()
    assert install_with_uv("3.13t", machine.layout, runner, free_threaded=True) is None
    assert machine.output == ""


def test_what_it_installed_is_asked_and_used_again(machine: Machine) -> None:
    free = machine.python("free")
    machine.script(
        "uv",
        f'echo "uv $*" >> "@CALLS@"\n'
        'folder="$UV_PYTHON_INSTALL_DIR/cpython-3.13.9+freethreaded-linux/bin"\n'
        f'mkdir -p "$folder"; cp "{free}" "$folder/python3.13t"',
    )
    for _ in range(2):
        found = install_with_uv("3.13t", machine.layout, machine.runner(), free_threaded=True)
        assert found is not None
        assert found.path.is_relative_to(machine.layout.cache)
    assert machine.lines() == ["uv python install 3.13t"]


def test_one_of_the_wrong_kind_is_refused(machine: Machine) -> None:
    gil = machine.python("gil", free_threaded=False)
    machine.script(
        "uv",
        'folder="$UV_PYTHON_INSTALL_DIR/cpython-3.13.9-linux/bin"\n'
        f'mkdir -p "$folder"; cp "{gil}" "$folder/python3.13t"',
    )
    runner = machine.runner()
    assert install_with_uv("3.13t", machine.layout, runner, free_threaded=True) is None


def test_failure_is_said_and_survived(machine: Machine) -> None:
    machine.script("uv", "echo 'error: Temporary failure in name resolution'; exit 2")
    runner = machine.runner()
    assert install_with_uv("3.13t", machine.layout, runner, free_threaded=True) is None
    assert "uv cannot fetch CPython 3.13t (no network" in machine.output
