"""`ftstress run`: reports, exit statuses, suppressions, and no pass for what proves nothing."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ftstress.__main__ import main
from ftstress.detection import run_file
from ftstress.findings import gil_enabled
from ftstress.suppressions import SuppressionError, load
from tests.stress.rewritten import write

# A run with the GIL on is no pass, whatever it saw.
CLEAN = 2 if sys._is_gil_enabled() else 0

PROGRAM = """
import sys, threading
import helper

def bump():
    helper.box.count += 1{comment}

def locked():
    with helper.lock:
        helper.box.count += 1

if __name__ == "__main__":
    assert sys.argv[0].endswith("program.py")
    function = bump if sys.argv[1:] == ["racy"] else locked
    threads = [threading.Thread(target=function, name=f"worker {{n}}") for n in range(2)]
    for thread in threads:
        thread.start()
    {end}
"""
HELPER = """
import threading
class Box:
    count = 0
box, lock = Box(), threading.Lock()
"""


@pytest.fixture
def program(tmp_path):
    def make(comment="", end="pass"):
        write(tmp_path, HELPER, "helper")
        return write(tmp_path, PROGRAM.format(comment=comment, end=end), "program")

    return make


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "ftstress", "run", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=50,
        **options,
    )


def test_a_race_is_reported_with_everything_that_is_known(program):
    path = program()
    done = run(path, "racy")

    assert done.returncode == 1
    report = done.stderr
    line = f"{path}:5 in bump"
    assert "RACE on attribute 'count' of a Box" in report
    assert report.count(line) >= 2
    assert "helper.box.count += 1" in report
    assert "'worker 0'" in report
    assert "'worker 1'" in report
    assert f"started by 'MainThread' at {path}:16" in report
    assert "locks held: none" in report
    assert "Last order between the two threads" in report
    assert "Why it is a race" in report
    assert "AtomicInt" in report
    assert report.split()[-3:] == ["function", "makes", "both."]


def test_a_clean_program_passes_and_says_what_that_does_not_mean(program):
    done = run(program())

    assert done.returncode == CLEAN, done.stderr
    assert "nothing found" in done.stderr
    assert "What a pass does not mean" in done.stderr


def test_json_has_the_same(program):
    done = run("--json", program(), "racy")
    found = json.loads(done.stdout)

    assert done.returncode == found["status"] == 1
    (race,) = found["findings"]
    assert race["subject"] == "attribute 'count' of a Box"
    assert [side["stack"][0]["line"] for side in race["sides"]] == [5, 5]
    assert found["explored"][0]["modules"] == ["__main__", "helper"]


def test_a_run_with_the_gil_is_no_pass(program):
    done = subprocess.run(
        [sys.executable, "-X", "gil=1", "-m", "ftstress", "run", str(program())],
        capture_output=True,
        text=True,
        timeout=50,
    )

    assert done.returncode == 2
    assert "NO PASS: the GIL was on" in done.stderr


@pytest.mark.parametrize(
    ("end", "reason"),
    [("sys.exit(3)", "ended with status 3"), ("1 / 0", "failed with ZeroDivisionError")],
)
def test_a_program_that_fails_is_no_pass(program, end, reason):
    done = run(program(end=end))

    assert done.returncode == 2
    assert reason in done.stderr


def test_a_program_in_which_nothing_is_seen_is_no_pass(tmp_path):
    done = run(write(tmp_path, "print('hello')", "empty"))

    assert done.returncode == 2
    assert "no access was seen" in done.stderr


def test_a_comment_with_a_reason_makes_a_race_benign(program):
    done = run("--json", program("  # ftstress: benign(only an estimate)"), "racy")
    found = json.loads(done.stdout)

    assert done.returncode == CLEAN
    assert [race["benign"] for race in found["benign"]] == ["only an estimate"]


def test_a_comment_without_a_reason_does_not(program):
    assert run(program("  # ftstress: benign()"), "racy").returncode == 1


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ('file = "program.py"', CLEAN),
        ('file = "pro*.py"\nfunction = "bump"\nvariable = "count"', CLEAN),
        ('file = "program.py"\nfunction = "locked"', 1),
        ('file = "ogram.py"', 1),
        ('file = "program.py"\nvariable = "other"', 1),
    ],
)
def test_a_file_of_suppressions(program, tmp_path, entry, status, monkeypatch):
    rules = tmp_path / "benign.toml"
    rules.write_text(f'[[benign]]\n{entry}\nreason = "known"\n', "utf-8")

    assert run("--suppress", rules, program(), "racy").returncode == status


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[benign]\n", "not TOML"),
        ('[[benign]]\nfile = "a.py"\n', "needs a reason"),
        ('[[benign]]\nreason = "x"\n', "needs a file"),
        ('[[benign]]\nfile = "a.py"\nreason = "x"\nline = "3"\n', "unknown"),
        ("other = 1\n", "only"),
        ("[[benign]]\nfile = 3\n", "strings"),
    ],
)
def test_a_file_of_suppressions_that_cannot_be_used(tmp_path, text, message):
    rules = tmp_path / "benign.toml"
    rules.write_text(text, "utf-8")

    with pytest.raises(SuppressionError, match=message):
        load(rules)


def test_wrong_usage_is_2(tmp_path, capsys):
    assert main(["run", str(tmp_path / "missing.py")]) == 2
    assert "missing.py" in capsys.readouterr().err
    assert main(["run", str(write(tmp_path, "x = (", "broken"))]) == 2
    assert "broken.py" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["run"])
    assert ended.value.code == 2


def test_the_report_says_where_the_threads_last_met(tmp_path):
    path = write(
        tmp_path,
        """
import threading
box, meeting = {"n": 0}, threading.Barrier(2)

def work():
    meeting.wait()
    box["n"] += 1

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
""",
        "meeting",
    )
    done = run("--json", path)
    (race,) = json.loads(done.stdout)["findings"]

    assert f"{Path(path)}:5" in race["order"]
    assert gil_enabled() is sys._is_gil_enabled()


def test_threads_that_are_not_the_programs_are_not_waited_for(tmp_path: Path):
    held = threading.Event()
    stranger = threading.Thread(target=held.wait)
    stranger.start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(held.wait)
        try:
            program = tmp_path / "program.py"
            program.write_text(
                "import threading\n"
                "from concurrent.futures import ThreadPoolExecutor\n"
                "done = []\n"
                "ThreadPoolExecutor(1).submit(done.append, 'pool')\n"
                "threading.Thread(target=done.append, args=('thread',)).start()\n"
            )
            run_file(program)
            assert stranger.is_alive()
            assert not waiting.done()
        finally:
            held.set()
            stranger.join()
        # Pools that were there go on, and take work.
        assert waiting.result(20)
        assert pool.submit(int).result(20) == 0
