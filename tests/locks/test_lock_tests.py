"""CPython's own `lock_tests`, as its `test_threading` applies them, against ftlocks' primitives.

In processes of their own: the tests count the threads of the process and look at all its warnings.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("lock_tests_runner.py")
TIMEOUT_SECONDS = 55
# Run side by side, because nearly all of their time is sleep.
GROUPS = [
    ("LockTests", "PyRLockTests", "CRLockTests"),
    ("ConditionTests", "ConditionAsRLockTests", "EventTests", "TimerTests"),
    ("SemaphoreTests", "BoundedSemaphoreTests", "BarrierTests"),
]
# And `threading`'s own classes, on the locks that a profiled program gets.
PROGRAM = ("LockTests", "CRLockTests", "ConditionTests", "EventTests", "SemaphoreTests")
RUNS = [(mode, group) for mode in ("bare", "observed") for group in GROUPS]
RUNS.append(("program", PROGRAM))


def package_folder():
    """The folder that has the package `test` of this interpreter's source, or skip."""
    record = Path(sys.base_prefix) / "ftbridge-build.json"
    if not record.is_file():
        pytest.skip("this interpreter was not built by tools/setup, so its source is not at hand")
    version = json.loads(record.read_text("utf-8"))["source"]
    folder = record.parents[2] / "stdlib-tests" / version
    if not folder.is_dir():
        pytest.skip("CPython's lock tests are missing: run tools/setup --gil")
    return folder


@pytest.fixture(scope="module")
def outcomes():
    """Output and exit status of each group in each mode."""
    folder = package_folder()
    runs = {
        (mode, group): subprocess.Popen(
            [sys.executable, "-W", "error", str(RUNNER), str(folder), mode, *group],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for mode, group in RUNS
    }
    try:
        return {
            which: (run.communicate(timeout=TIMEOUT_SECONDS)[0], run.returncode)
            for which, run in runs.items()
        }
    finally:
        for run in runs.values():
            run.kill()
            run.wait()


@pytest.mark.parametrize(
    ("mode", "group"), RUNS, ids=lambda part: part if isinstance(part, str) else part[0]
)
def test_the_primitives_pass_cpythons_own_tests(outcomes, mode, group):
    output, status = outcomes[mode, group]

    assert status == 0, output
    assert int(re.search(r"Ran (\d+) tests", output)[1]) > 30


def test_the_runner_fails_when_a_primitive_does_not_lock():
    program = f"""
import sys
sys.path.insert(0, {str(RUNNER.parent)!r})
import ftlocks
class Broken(ftlocks.Lock):
    __slots__ = ()
    def __init__(self):
        super().__init__()
        self.acquire = lambda blocking=True, timeout=-1: True
ftlocks.Lock = Broken
import lock_tests_runner
sys.exit(lock_tests_runner.main({str(package_folder())!r}, "bare", "LockTests"))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=TIMEOUT_SECONDS
    )

    assert done.returncode == 1
    assert "FAILED" in done.stderr
