"""Tests of ``tools.setup_lib.stdlib_tests``: those of the very source."""

import shutil

from tests.tools.fake_machine import STDLIB_TESTS, Machine
from tools.setup_lib.build import ensure_built
from tools.setup_lib.interpreters import Interpreter
from tools.setup_lib.recipe import Recipe
from tools.setup_lib.setup import is_set_up, set_up
from tools.setup_lib.stdlib_tests import FOLDER, ensure_tests, has_tests

VERSION = "3.13.5-2"


def built(machine: Machine) -> Interpreter:
    machine.debian(version=VERSION)
    recipe = Recipe(free_threaded=True, pgo=False)
    return ensure_built(machine.layout, recipe, machine.runner())


def fetches(machine: Machine) -> int:
    return sum(" source " in line for line in machine.lines())


def test_a_build_made_earlier_gets_its_tests_from_the_stored_source(machine: Machine) -> None:
    interpreter = built(machine)
    assert not has_tests(interpreter, machine.layout)
    ensure_tests(interpreter, machine.layout, machine.runner())
    assert has_tests(interpreter, machine.layout)
    package = machine.layout.cache / FOLDER / VERSION / "test"
    found = {
        path.relative_to(package).as_posix(): path.read_text("utf-8")
        for path in package.rglob("*.*")
    }
    assert found == {name: f"{name}\n" for name in STDLIB_TESTS}
    assert fetches(machine) == 1
    ensure_tests(interpreter, machine.layout, machine.runner())


def test_a_source_that_is_gone_is_fetched_again(machine: Machine) -> None:
    interpreter = built(machine)
    shutil.rmtree(machine.layout.sources)
    ensure_tests(interpreter, machine.layout, machine.runner())
    assert has_tests(interpreter, machine.layout)
    assert fetches(machine) == 2


def test_another_source_than_the_builds_will_not_do(machine: Machine) -> None:
    interpreter = built(machine)
    shutil.rmtree(machine.layout.sources)
    machine.debian(version="3.13.9-1")
    ensure_tests(interpreter, machine.layout, machine.runner())
    assert not has_tests(interpreter, machine.layout)
    assert "own tests will be skipped" in machine.output
    assert "3.13.5-2 is no longer to be had" in machine.output


def test_an_interpreter_of_somebody_elses_needs_none(machine: Machine) -> None:
    interpreter = built(machine)._replace(origin="named", build="")
    assert has_tests(interpreter, machine.layout)


def test_only_a_set_up_for_tests_unpacks_them(machine: Machine) -> None:
    machine.debian(version=VERSION)
    folder = machine.layout.cache / FOLDER / VERSION
    set_up(machine.layout, machine.runner(), twin=False)
    assert is_set_up(machine.layout, twin=False)
    assert not folder.exists()
    set_up(machine.layout, machine.runner(), twin=True)
    assert folder.is_dir()
    assert is_set_up(machine.layout, twin=True)
    shutil.rmtree(folder)
    assert not is_set_up(machine.layout, twin=True)


def test_what_an_earlier_set_up_left_out_is_added(machine: Machine) -> None:
    interpreter = built(machine)
    ensure_tests(interpreter, machine.layout, machine.runner())
    package = machine.layout.cache / FOLDER / VERSION / "test"
    shutil.rmtree(package / "test_json")
    (package / "lock_tests.py").write_text("as it was\n", "utf-8")
    assert not has_tests(interpreter, machine.layout)
    ensure_tests(interpreter, machine.layout, machine.runner())
    assert (package / "test_json" / "__init__.py").is_file()
    assert (package / "lock_tests.py").read_text("utf-8") == "as it was\n"
