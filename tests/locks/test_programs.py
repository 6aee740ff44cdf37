"""`python -m ftlocks order` and `deadlock`, over programs that know nothing of the package."""

import subprocess
import sys

import pytest

DISORDER = """
import threading

a, b = threading.Lock(), threading.RLock()

def one():
    with a, b:
        pass

def other():
    with b, a:
        pass

for work in (one, other):
    thread = threading.Thread(target=work, name=work.__name__)
    thread.start()
    thread.join()
print("done")
"""

BLOCKED = """
import sys, threading

a, b, meet = threading.Lock(), threading.RLock(), threading.Barrier(2)

def one():
    with a:
        meet.wait()
        with b:
            pass

def other():
    with b:
        meet.wait()
        with a:
            pass

threads = [threading.Thread(target=work, name=work.__name__) for work in (one, other)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(3)
"""

ORDERLY = """
import logging, queue, threading
from concurrent.futures import ThreadPoolExecutor

logging.basicConfig()
items, done = queue.Queue(2), threading.Event()

def produce(n):
    for i in range(20):
        items.put(i)
    logging.info("produced %d", n)

def consume():
    for _ in range(60):
        items.get()
    done.set()

reader = threading.Thread(target=consume)
reader.start()
with ThreadPoolExecutor(3) as pool:
    list(pool.map(produce, range(3)))
done.wait()
reader.join()
"""


def run(program, folder, *arguments):
    path = folder / "program.py"
    path.write_text(program, "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "ftlocks", *arguments, str(path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_disorder_of_threadings_locks_is_reported(tmp_path):
    done = run(DISORDER, tmp_path, "order")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
    ring = "RLock made at program.py:4 -> Lock made at program.py:4 -> RLock made at program.py:4"
    assert f"lock order inversion: {ring}\n" in done.stderr
    assert "thread 'other' held RLock made at program.py:4" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ftlocks order: 1 found; ")


def test_a_deadlock_of_threadings_locks_is_broken(tmp_path):
    done = run(BLOCKED, tmp_path, "deadlock", "--break", "--interval", "0.05")

    assert done.returncode == 3, done.stderr
    assert "deadlock: 2 threads wait for each other: " in done.stderr
    assert "  behind them: 'MainThread'\n" in done.stderr
    assert done.stderr.splitlines()[-1] == "ftlocks deadlock: 1 found"


@pytest.mark.parametrize("arguments", [["order"], ["deadlock", "--interval", "0.01"]])
def test_a_program_without_fault_is_left_in_peace(tmp_path, arguments):
    done = run(ORDERLY, tmp_path, *arguments)

    assert done.returncode == 0, done.stderr
    assert f"\nftlocks {arguments[0]}: 0 found" in done.stderr
    assert done.stderr.count("\n") == 2, done.stderr


def test_what_makes_no_sense_is_refused(tmp_path):
    done = run(DISORDER, tmp_path, "deadlock", "--interval", "0")
    assert done.returncode == 2
    assert done.stderr == "ftlocks deadlock: interval must be positive, got 0.0 s\n"
