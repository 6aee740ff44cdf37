"""Tests of the pytest plugin ``tools.setup_lib.gil_watch``, in test runs of their own."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.tools.fake_machine import REPOSITORY
from tools.setup_lib.gil_watch import watches
from tools.setup_lib.layout import clean_environment

TESTS = """
import pytest
import tools.setup_lib.gil_watch as watch

{at_import}

def test_one() -> None:
    pass

def test_two() -> None:
    {in_test}

def test_three() -> None:
    pass
"""
# Stands for an extension module without support: none is there that every machine has.
SWITCH = "watch._is_gil_enabled = lambda: True; watch.watches = lambda: True"


def run(folder: Path, *, at_import: str = "pass", in_test: str = "pass") -> tuple[int, str]:
    (folder / "test_it.py").write_text(TESTS.format(at_import=at_import, in_test=in_test))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tools.setup_lib.gil_watch", "-q", folder],
        cwd=REPOSITORY,
        env=clean_environment(PYTEST_ADDOPTS="-p no:cacheprovider"),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_it_is_silent_while_all_is_well(tmp_path: Path) -> None:
    status, output = run(tmp_path)
    assert status == 0, output
    assert "3 passed" in output


def test_a_test_that_switches_the_gil_on_is_named(tmp_path: Path) -> None:
    status, output = run(tmp_path, in_test=SWITCH)
    assert status == 1
    assert "test_two switched the GIL on" in output
    # Named once: the tests after it are not to blame.
    assert "3 passed, 1 error" in output


def test_an_import_that_switches_the_gil_on_stops_the_run(tmp_path: Path) -> None:
    status, output = run(tmp_path, at_import=SWITCH)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "the GIL is on after importing the tests" in output


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="applies to free-threaded builds"
)
def test_a_real_switched_on_gil_is_seen(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_one(): pass\n")
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "gil=1",
            "-m",
            "pytest",
            "-p",
            "tools.setup_lib.gil_watch",
            tmp_path,
        ],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR


def test_a_build_with_the_gil_is_not_watched() -> None:
    assert watches() is bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
