"""`python -m ftlocks profile`, as a person runs it."""

import json
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor

hot = threading.Lock()
entered, waiting = threading.Event(), threading.Event()

def hold():
    with hot:
        entered.set()
        while not hot.statistics().waiting:  # so that the test need not hope
            pass
        time.sleep(0.1)  # longer than anything else here is waited for

def take():
    entered.wait()
    with hot:
        pass

with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda f: f(), [hold, take]))
print(__name__, sys.argv[1:], sys.path[0])
"""


def _profile(*arguments, folder, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "ftlocks", "profile", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
        **options,
    )


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "apart"
    folder.mkdir()
    path = folder / "program.py"
    path.write_text(PROGRAM)
    return path


def test_a_script_runs_as_it_would_and_its_hot_lock_is_named(program, tmp_path):
    done = _profile(
        "-o", "locks.json", "-o", "locks.html", str(program), "-o", "mine", folder=tmp_path
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"__main__ ['-o', 'mine'] {program.parent}\n"
    first = done.stderr.splitlines()[4]
    assert first.startswith("Lock made at program.py:5 ")
    assert "while held by hold (program.py:9)" in done.stderr
    report = json.loads((tmp_path / "locks.json").read_text())
    assert report["locks"][0]["label"] == "Lock made at program.py:5"
    assert report["locks"][0]["holders"][0]["stack"][0][0] == "hold"
    assert (tmp_path / "locks.html").stat().st_size > 10_000
    assert report["title"].endswith("program.py -o mine")


def test_a_module_runs_and_its_exit_status_stays(program):
    program.write_text(PROGRAM + "\nassert __spec__.name == 'program'\nsys.exit(7)\n")
    done = _profile("--no-table", "-m", "program", "a", folder=program.parent)

    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("__main__ ['a']")
    assert done.stderr == ""


def test_threads_that_outlive_the_main_one_and_failures_are_reported(tmp_path):
    (tmp_path / "late.py").write_text(
        "import threading\n"
        "lock, main = threading.Lock(), threading.current_thread()\n"
        "def late():\n"
        "    main.join()\n"
        "    with lock: pass\n"
        "threading.Thread(target=late).start()\n"
        "raise KeyError('mine')\n"
    )
    done = _profile("late.py", folder=tmp_path)

    assert done.returncode == 1
    assert "KeyError: 'mine'" in done.stderr
    assert "Lock made at late.py:2" in done.stderr


def test_a_program_that_is_terminated_leaves_its_report(tmp_path):
    (tmp_path / "server.py").write_text(
        "import threading\n"
        "with threading.Lock(): pass\n"
        "print('ready', flush=True)\n"
        # Without a timeout the interpreter may miss a signal that comes just before it blocks.
        "while True: threading.Event().wait(0.1)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-m", "ftlocks", "profile", "-o", "locks.json", "server.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert run.stdout.readline() == "ready\n"
        run.send_signal(signal.SIGTERM)
        _, errors = run.communicate(timeout=40)
    finally:
        run.kill()
        run.communicate()

    assert run.returncode == -signal.SIGTERM
    assert "Lock made at server.py:2" in errors
    assert json.loads((tmp_path / "locks.json").read_text())["locks"]


def test_the_child_of_a_fork_writes_no_report(tmp_path):
    (tmp_path / "forks.py").write_text(
        "import os, threading\n"
        "lock = threading.Lock()\n"
        "with lock: pass\n"
        "child = os.fork()\n"
        "if child:\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "else:\n"
        "    with lock: pass\n"
    )
    done = _profile("forks.py", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Lock made at forks.py:2") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.py"], "No such file or directory: 'nowhere.py'"),
        (["-m", "no_such_module"], "No module named no_such_module"),
        (["-o", "locks.csv", "x.py"], r"cannot tell the format of 'locks.csv'"),
        (["-o", "none/locks.html", "x.py"], "there is no folder none"),
        (["--sample", "0", "x.py"], "sample must be at least 1, got 0"),
        (["--threshold", "10", "x.py"], "write it like 10us"),
        ([], "say which program to run"),
    ],
)
def test_a_mistaken_command_is_told_before_anything_runs(arguments, said, tmp_path):
    done = _profile(*arguments, folder=tmp_path)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


SHOP = """
import sys, threading

ledger = threading.Lock()
done = threading.Event()

def sell():
    with ledger:
        pass

def clerk():
    while not done.is_set():
        sell()

threads = [threading.Thread(target=clerk) for _ in range(2)]
for thread in threads:
    thread.start()
done.wait(float(sys.argv[1]))
done.set()
"""


@pytest.mark.parametrize("counted", [[], ["--progress", "shop.sell"]], ids=["own", "calls"])
def test_slowing_down_locks_of_an_unmodified_program(tmp_path, counted):
    (tmp_path / "shop.py").write_text(SHOP)
    done = _profile(
        "--inject-hold=shop.py:4=200us",
        "--inject-delay=ledgr=1us",
        "--inject-window=5ms",
        *counted,
        "-o",
        "locks.json",
        "shop.py",
        "0.7",
        folder=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    assert "Exception" not in done.stderr
    slowed, unknown = json.loads((tmp_path / "locks.json").read_text())["what_if"]
    assert slowed["matched"] == ["Lock made at shop.py:4"]
    assert slowed["unit"] == ("calls of shop.sell" if counted else "acquisitions")
    assert slowed["injected_ns"] >= 200_000
    assert slowed["pairs"] + slowed["dropped"] > 0
    assert unknown["verdict"] == "unknown lock"
    assert "note: there is no lock 'ledgr' to inject a delay into; there are" in done.stderr


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--inject-hold=ledger", "cannot read 'ledger': write LOCK=TIME, such as ledger=50us"),
        ("--inject-delay=ledger=5", "cannot read '5' as a time"),
        ("--inject-window=5", "cannot read '5' as a time"),
    ],
)
def test_a_mistaken_what_if_is_refused_before_the_program_runs(
    program, tmp_path, option, complaint
):
    done = _profile(option, str(program), folder=tmp_path)

    assert done.returncode == 2
    assert f"ftlocks profile: {complaint}" in done.stderr
    assert done.stdout == ""
