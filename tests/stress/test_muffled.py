"""A detector that does not hear the order which some code makes by accident."""

import _thread
import threading

import pytest

from ftstress import events, importing, sync
from ftstress.fasttrack import RaceDetector
from ftstress.muffled import Muffled
from tests.stress.rewritten import write

# The second thread begins to write after the first has released the lock: what orders the two is
# the lock, and nothing else that a detector hears of.
PROGRAM = """
def first(box, enter, lock, turn):
    box.count = 1
    enter(lock)
    turn.release()

def second(box, enter, lock, turn):
    turn.acquire()
    enter(lock)
    box.count = 2
"""
SERVER = """
def enter(lock):
    with lock:
        pass
"""


class Box:
    count = 0


def races(tmp_path, folders, *, silent=False):
    program = importing.load_file(write(tmp_path, PROGRAM, "program"), "program")
    (tmp_path / "server").mkdir()
    server = importing.load_file(write(tmp_path / "server", SERVER, "server"), "server")
    detector = RaceDetector()
    muffled = Muffled(detector, folders)
    sync.install()
    events.subscribe(muffled)
    try:
        turn = _thread.allocate_lock()
        turn.acquire()
        shared = (Box(), server.enter, threading.Lock(), turn)

        def quietly():
            muffled.silent(silent)
            program.second(*shared)

        threads = [
            threading.Thread(target=program.first, args=shared),
            threading.Thread(target=quietly),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        events.unsubscribe(muffled)
        sync.uninstall()
    return [race.variable for race in detector.races()]


def test_locks_taken_by_a_folder_s_code_order_nothing(tmp_path):
    assert races(tmp_path, (tmp_path / "server",)) == ["attribute 'count' of a Box"]


def test_all_other_locks_do(tmp_path):
    assert races(tmp_path, (tmp_path / "elsewhere",)) == []


@pytest.mark.parametrize("silent", [True, False])
def test_a_silent_thread_s_accesses_are_not_looked_at(tmp_path, silent):
    found = races(tmp_path, (tmp_path / "server",), silent=silent)

    assert (found == []) is silent
