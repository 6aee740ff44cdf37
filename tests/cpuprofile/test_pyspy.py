"""py-spy's output as our values, and py-spy itself on the build that it can read."""

import sys
import sysconfig
from pathlib import Path

import pytest

from ftbridge.cpuprofile import pyspy
from ftlocks._sites import Frame

RAW = """\
thread (12);<module> (/a/run.py:3);_load (<frozen importlib._bootstrap>:48) 2
thread (12): MainThread;<module> (/a/run.py:3);work (/a (b)/run.py:5) 30
thread (13): w;work (/a/run.py:5) 10
process 1:"python";thread (14): w 2;native_function 4

"""


def test_the_raw_format():
    found = {
        (stack.thread, stack.frames[-1]): (stack.cpu_ns, stack.samples)
        for stack in pyspy.parse(RAW, 100)
    }
    assert found == {
        ("MainThread", Frame("_load", "<frozen importlib._bootstrap>", 48)): (20_000_000, 2),
        ("MainThread", Frame("work", "/a (b)/run.py", 5)): (300_000_000, 30),
        ("w", Frame("work", "/a/run.py", 5)): (100_000_000, 10),
        ("w 2", Frame("native_function", "", 0)): (40_000_000, 4),
    }


def test_no_samples():
    assert pyspy.parse("", 100) == ()


def test_without_py_spy_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(pyspy, "find_py_spy", lambda python: None)
    with pytest.raises(pyspy.PySpyError, match="pip install py-spy, or take --sampler own"):
        pyspy.run(Path(sys.executable), ["x.py"], version="v", rate=100)


def test_a_py_spy_that_may_not_read(tmp_path, monkeypatch):
    refusing = tmp_path / "py-spy"
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(pyspy, "find_py_spy", lambda python: refusing)
    with pytest.raises(pyspy.PySpyError, match=r"status 1 and no profile.*ptrace"):
        pyspy.run(Path(sys.executable), ["x.py"], version="v", rate=100)


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    or pyspy.find_py_spy(Path(sys.executable)) is None,
    reason="py-spy cannot read a free-threaded build, or is not installed",
)
def test_the_real_one_sees_what_runs(tmp_path):
    script = tmp_path / "busy.py"
    script.write_text(
        "import time\n"
        "def busy():\n"
        "    until = time.process_time() + 0.5\n"
        "    while time.process_time() < until:\n"
        "        pass\n"
        "busy()\n"
    )
    found = pyspy.run(Path(sys.executable), [str(script)], version="v", rate=100)
    assert found.sampler == "py-spy"
    assert found.functions()[0].function == "busy"
    assert found.functions()[0].file == str(script)
