"""The plugin as a guest: known to pytest, and silent where nobody asks for it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from stress.plugin.runs import run

pytest_plugins = "pytester"


def test_it_is_found_by_its_entry_point():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
    points = project["project"]["entry-points"]["pytest11"]
    assert points == {"ftstress": "ftstress.plugin"}


def test_a_run_that_does_not_use_it_does_not_notice_it(pytester):
    source = """
import sys

def test_plain():
    assert sorted(n for n in sys.modules if n.startswith(("ftstress.", "ftlocks"))) == [
        "ftstress.plugin"
    ]
"""
    result = run(pytester, source, "--strict-markers")
    result.assert_outcomes(passed=1)
    assert "ftstress" not in result.stdout.str().partition("collected")[2]


def test_importing_it_imports_pytest_and_nothing_of_ftstress():
    script = (
        "import sys, pytest; before = set(sys.modules); import ftstress.plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "['ftstress', 'ftstress.plugin']", done.stderr


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("ftstress(thread=2)", "*ftstress has no option thread*"),
        ("ftstress(rounds=0)", "*must be an int of at least 1*"),
    ],
)
def test_a_marker_that_says_nonsense_fails_its_test(pytester, mark, message):
    result = run(pytester, f"import pytest\n@pytest.mark.{mark}\ndef test_it(): pass")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])


def test_a_negative_count_is_wrong_usage(pytester):
    result = run(pytester, "def test_it(): pass", "--ftstress-against", "-1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_the_gil_makes_it_no_pass(pytester, monkeypatch):
    monkeypatch.setenv("PYTHON_GIL", "1")
    source = "import pytest\n@pytest.mark.ftstress\ndef test_it(): pass"
    result = run(pytester, source, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*the GIL was on*no pass"])
