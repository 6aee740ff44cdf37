"""The modules to copy into an Elixir project compile without warnings and pass their own tests."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import ftbridge.compat

MODULES = Path(ftbridge.compat.__file__).parent / "elixir"
TESTS = Path(__file__).resolve().parent / "elixir"
WAIT = 55


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The folder of the compiled modules, over stand-ins for what they call of Snakepit."""
    if shutil.which("elixirc") is None:
        pytest.skip("there is no elixirc: apt-get install elixir")
    folder = tmp_path_factory.mktemp("beams")
    sources = [TESTS / "stand_ins.exs", *sorted(MODULES.glob("*.ex"))]
    run("elixirc", "--warnings-as-errors", "-o", str(folder), *map(str, sources))
    return folder


def run(*command):
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_modules_pass_their_tests(compiled):
    output = run("elixir", "-pa", str(compiled), str(TESTS / "adapter_test.exs"))
    found = re.search(r"(\d+) tests, 0 failures", output)
    assert found is not None, output
    assert int(found[1]) >= 12


def test_the_modules_are_shipped_with_the_package():
    assert {path.name for path in MODULES.iterdir()} == {
        "ftbridge_adapter.ex",
        "ftbridge_parallel_worker.ex",
    }
