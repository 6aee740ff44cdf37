"""Tests of ``tools.setup_lib.checks``: the order of the sections, and what failures do to them."""

from pathlib import Path

import pytest

from tests.tools.fake_machine import Machine
from tools.setup_lib import checks
from tools.setup_lib.checks import plan, run_checks
from tools.setup_lib.console import Console

TOOL = """#!/bin/sh
# Each tool says what it is, and fails where the test asks for it.
here=$(dirname "$0")
line="$(basename "$(dirname "$here")") $(basename "$0") $*"
echo "$line" >> "@CALLS@"
while read -r pattern status; do
    case "$line" in *$pattern*) exit "$status";; esac
done < "@CALLS@.failures"
"""


@pytest.fixture
def checked(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose environments hold tools that only note their calls."""
    monkeypatch.setattr(checks, "processors", lambda: 2)
    for environment, names in ((".venv", ["python"]), (".venv-gil", ["python", "ruff", "mypy"])):
        folder = machine.layout.root / environment / "bin"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(TOOL.replace("@CALLS@", str(machine.calls)))
            (folder / name).chmod(0o755)
    for name in ("ftbridge", "tests", "tools", "stress/ftstress"):
        (machine.layout.root / name).mkdir(parents=True, exist_ok=True)
    for name in ("ftbridge", "tests", "tools"):
        (machine.layout.root / name / "module.py").touch()
    fail(machine)
    return machine


def fail(machine: Machine, *pairs: str) -> None:
    Path(f"{machine.calls}.failures").write_text("".join(f"{pair}\n" for pair in pairs))


def run(machine: Machine, *arguments: str) -> int:
    return run_checks(machine.layout, Console(machine.stream), arguments)


def test_the_sections_in_order(checked: Machine) -> None:
    assert run(checked) == 0
    pytest_command = "python -m pytest -p tools.setup_lib.gil_watch -n 2 --dist loadfile"
    assert checked.lines() == [
        ".venv-gil ruff format --check .",
        ".venv-gil ruff check .",
        ".venv-gil mypy --strict ftbridge tools",
        f".venv-gil {pytest_command}",
        f".venv {pytest_command}",
    ]
    # Nothing is printed after the last section: pytest's summary is the last line.
    assert checked.output.splitlines()[-1] == "==> tests on the free-threaded build"


def test_generated_code_is_checked_where_there_is_a_generator(checked: Machine) -> None:
    generator = checked.layout.root / "tools" / "generate"
    generator.touch()
    titles = [section.title for section in plan(checked.layout, [])]
    assert titles.index("generated code is current") == 3


@pytest.mark.parametrize(
    ("failing", "last"),
    [
        ("ruff*format 1", "failed: ruff format"),
        ("mypy 1", "failed: mypy --strict"),
        (".venv-gil*pytest 1", "failed: tests on the GIL build"),
        (".venv-gil*pytest 5", "failed: tests on the GIL build"),
        (".venv*python 1", "failed: tests on the GIL build, tests on the free-threaded build"),
        (".venv*python*nothing 1", "==> tests on the free-threaded build"),
    ],
)
def test_a_failure_is_named_last_and_stops_nothing(
    checked: Machine, failing: str, last: str
) -> None:
    fail(checked, failing)
    assert run(checked) == (1 if last.startswith("failed") else 0)
    assert len(checked.lines()) == 5
    assert checked.output.splitlines()[-1] == last


def test_failed_tests_of_the_last_section_keep_pytests_last_line(checked: Machine) -> None:
    fail(checked, ".venv[[:space:]]*pytest 1")
    assert run(checked) == 1
    assert checked.output.splitlines()[-1] == "==> tests on the free-threaded build"


def test_arguments_go_to_pytest_on_both_builds(checked: Machine) -> None:
    fail(checked, ".venv-gil*pytest 5")
    assert run(checked, "-k", "flow and not slow", "tests/http2") == 0
    assert [line.split("loadfile ")[1] for line in checked.lines() if "pytest" in line] == [
        "-k flow and not slow tests/http2"
    ] * 2


def test_only(checked: Machine) -> None:
    assert run(checked, "--only", "types", "--only", "free-threaded", "-x") == 0
    assert [line.split()[:2] for line in checked.lines()] == [
        [".venv-gil", "mypy"],
        [".venv", "python"],
    ]


def test_tests_that_need_the_machine_alone_run_alone(checked: Machine) -> None:
    marked = checked.layout.root / "tests" / "test_x.py"
    marked.write_text("@pytest.mark.alone\n")
    fail(checked, "-m*alone*only 5")
    assert run(checked) == 0
    tests = [line for line in checked.lines() if "pytest" in line]
    assert [line.split("gil_watch ")[1] for line in tests] == [
        "-n 0 -m alone",
        "-n 2 --dist loadfile -m not alone",
    ] * 2
    # An own -m expression is not split.
    assert len([s for s in plan(checked.layout, ["-m", "x"]) if "pytest" in s.argv]) == 2


def test_a_python_gil_setting_does_not_reach_the_tests(
    checked: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_GIL", "1")
    tool = checked.layout.root / ".venv" / "bin" / "python"
    tool.write_text(f'#!/bin/sh\necho "gil=$PYTHON_GIL" >> "{checked.calls}"\n')
    run(checked, "--only", "free-threaded")
    assert checked.lines() == ["gil="]
