"""`ftbridge compare`: options, files, and what is said when it cannot compare."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ftbridge.builds import BuildError, find


def _both() -> bool:
    try:
        return bool(find(free_threaded=True) and find(free_threaded=False))
    except BuildError:
        return False


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "mine.py").write_text("def f(a, b=1):\n    return sum(range(a * b))\n")
    return subprocess.run(
        [sys.executable, "-m", "ftbridge", "compare", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


@pytest.mark.skipif(not _both(), reason="needs both builds")
def test_a_function_of_ones_own(tmp_path):
    (tmp_path / "samples").write_text('[100]\n\n{"a": 10, "b": 2}\n')
    done = run(
        tmp_path,
        *("mine:f", "--samples", "samples", "--threads", "2", "--rounds", "1", "--seconds", "0.02"),
        *("-o", "a.html", "-o", "a.json", "-o", "a.txt"),
    )
    assert done.returncode == 0, done.stderr
    assert 'a pass: [100]; {"a": 10, "b": 2}' in done.stdout
    assert "control: two processes do" in done.stdout
    assert done.stdout.strip() == (tmp_path / "a.txt").read_text().strip()
    assert json.loads((tmp_path / "a.json").read_text())["verdict"]["answer"] in done.stdout
    assert "<svg" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("mine:f", "--threads", "x"), 2, "numbers with commas"),
        (("mine:f", "--threads", "0"), 2, "at least 1; got 0"),
        (("mine:f", "-o", "a.pdf"), 2, "end 'a.pdf' in .html, .json, .txt"),
        (("mine:f", "-o", "no/a.html"), 2, "there is no folder no"),
        (("mine:f", "--python", "/no/python"), 1, "/no/python does not run"),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path, arguments, status, said):
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
