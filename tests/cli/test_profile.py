"""`ftbridge profile --cpu`: from the command line to the files."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from ftbridge.builds import BuildError, find
from ftbridge.cpuprofile.pyspy import find_py_spy

FREE = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
SCRIPT = """\
import sys, time
def busy():
    until = time.process_time() + 1.0
    while time.process_time() < until:
        pass
busy()
print(sys.argv[1:])
sys.exit(4)
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "busy.py").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, "-m", "ftbridge", "profile", "--cpu", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


def _py_spy_works() -> bool:
    try:
        return find_py_spy(find(free_threaded=False).python) is not None
    except BuildError:
        return False


def test_the_default_is_a_flame_graph_a_table_and_the_programs_own_end(tmp_path):
    done = run(tmp_path, "--sampler", "own", "busy.py", "--rate", "x")
    assert (done.returncode, done.stdout) == (4, "['--rate', 'x']\n"), done.stderr
    assert "busy (busy.py)" in done.stderr
    assert "wrote ftbridge-cpu.svg" in done.stderr
    assert "busy (" in (tmp_path / "ftbridge-cpu.svg").read_text()


def test_files_and_folders(tmp_path):
    (tmp_path / "out").mkdir()
    done = run(
        tmp_path, "--sampler=own", "--no-table", "-o", "out", "-o", "a.collapsed", "-m", "busy", "1"
    )
    assert (done.returncode, done.stdout) == (4, "['1']\n"), done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cpu.collapsed",
        "cpu.json",
        "cpu.speedscope.json",
        "cpu.svg",
        "cpu.txt",
    ]
    assert json.loads((tmp_path / "out/cpu.json").read_text())["title"] == "-m busy 1"
    assert "busy (busy.py:" in (tmp_path / "a.collapsed").read_text()
    assert "samples by" not in done.stderr


@pytest.mark.skipif(not _py_spy_works(), reason="needs the GIL twin with py-spy")
def test_py_spy_runs_it_on_the_twin_and_the_report_says_so(tmp_path):
    done = run(tmp_path, "--sampler", "both", "-o", "a.json", "busy.py")
    assert "samples by py-spy" in done.stderr
    told = json.loads((tmp_path / "a.gil.json").read_text())
    assert told["sampler"] == "py-spy"
    assert any("cannot read a free-threaded build" in note for note in told["notes"]) is FREE
    assert json.loads((tmp_path / "a.json").read_text())["sampler"] == "ftbridge"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("-o", "a.csv", "busy.py"), "cannot tell the format of 'a.csv'"),
        (("-o", "no/a.svg", "busy.py"), "there is no folder no"),
        (("--rate", "0", "busy.py"), "--rate"),
        (("missing.py",), "cannot run missing.py"),
        ((), "Missing argument 'PROGRAM'"),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path, arguments, complaint):
    done = run(tmp_path, "--sampler=own", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stdout == ""


def test_a_program_that_leaves_without_its_interpreters_end(tmp_path):
    (tmp_path / "exits.py").write_text("import os\nos._exit(7)\n")
    done = run(tmp_path, "--sampler=own", "exits.py")
    assert done.returncode == 1
    assert "no profile: exits.py ended without the end of its interpreter" in done.stderr
    assert "status 7" in done.stderr
