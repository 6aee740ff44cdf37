"""Running a program under the sampler: it must not notice, and its end must be reported."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ftbridge.cpuprofile import CpuProfile

BUSY = """\
import sys, time
def busy(seconds=1.0):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
"""


@pytest.fixture
def run(tmp_path):
    """Runs a script; its process, and the profile if there is one."""

    def run_it(source: str, *options: str, arguments: tuple[str, ...] = ()):
        script = tmp_path / "script.py"
        script.write_text(source)
        report = tmp_path / "report.json"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ftbridge.cpuprofile.program"),
                *("--report", str(report), *options, str(script), *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        profile = None
        if report.exists():
            profile = CpuProfile.from_dict(json.loads(report.read_text()))
        return done, profile

    return run_it


def test_arguments_output_and_exit_status_are_the_programs(run):
    done, profile = run(
        BUSY + "busy()\nprint(sys.argv[1:], __name__)\nsys.exit(3)", arguments=("-x",)
    )
    assert (done.returncode, done.stdout) == (3, "['-x'] __main__\n")
    assert "busy" in {hot.function for hot in profile.functions()}
    # Nothing of what led to the program.
    assert {stack.frames[0].function for stack in profile.stacks} == {"<module>"}
    assert {Path(stack.frames[0].file).name for stack in profile.stacks} == {"script.py"}


def test_a_traceback_is_the_programs(run):
    done, profile = run("raise KeyError('gone')")
    assert done.returncode == 1
    assert "KeyError: 'gone'" in done.stderr
    assert profile is not None


def test_what_cannot_be_loaded(run, tmp_path):
    done, profile = run("def f(:\n")
    assert done.returncode == 2
    assert "error: cannot run" in done.stderr
    assert "script.py" in done.stderr
    assert profile is None


def test_sigterm_still_ends_it_and_is_reported(run):
    done, profile = run(
        BUSY + "import os, signal\nbusy()\nos.kill(os.getpid(), signal.SIGTERM)\nbusy()"
    )
    assert done.returncode == -signal.SIGTERM
    assert "busy" in {hot.function for hot in profile.functions()}


def test_a_duration_ends_the_program_as_ctrl_c_does(run):
    done, profile = run(
        BUSY + "try:\n    busy(40)\nexcept KeyboardInterrupt:\n    print('tidied')\n",
        "--duration",
        "2",
    )
    assert done.stdout == "tidied\n"
    assert "busy" in {hot.function for hot in profile.functions()}


def test_a_child_of_a_fork_goes_on_without_it(run):
    done, profile = run(
        BUSY
        + "import os\nbusy()\nchild = os.fork()\nif child == 0:\n    busy(0.1)\n    sys.exit(0)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert done.stdout == "0\n", done.stderr
    assert profile is not None
