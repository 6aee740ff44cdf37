"""Figures of workloads: that the operations are counted, on which objects, on which threads."""

import threading

import pytest

import ftlocks
from ftstress.measuring import measure, waiting
from ftstress.workload import Workload
from stress import counting_work


class Counting(Workload):
    """Counts its calls, by thread."""

    instances: list["Counting"] = []

    def __init__(self):
        self.made_on = threading.get_ident()
        self.calls = {}
        self.instances.append(self)

    def run(self):
        me = threading.get_ident()
        self.calls[me] = self.calls[me] + 1 if me in self.calls else 1


@pytest.fixture(autouse=True)
def forget():
    Counting.instances.clear()


def test_one_object_is_run_by_all_threads():
    figure = measure(Counting, 3, True, 0.01)
    shared = [each for each in Counting.instances if len(each.calls) == 3]
    assert len(shared) == 1
    assert figure.rate > 0
    assert (figure.threads, figure.is_shared) == (3, True)


def test_an_object_each_is_made_on_its_thread():
    measure(Counting, 3, False, 0.01)
    own = [e for e in Counting.instances if e.calls and e.made_on != threading.get_ident()]
    assert len(own) == 3
    assert all(list(each.calls) == [each.made_on] for each in own)


def test_what_a_workload_raises_is_told():
    with pytest.raises(LookupError, match="no such thing"):
        measure(counting_work.Failing, 2, True, 0.01)


class Blocked(Workload):
    """Each holds the lock until the other waits for it."""

    lock: ftlocks.Lock

    def __init__(self):
        self.lock = ftlocks.Lock("the one")

    def run(self):
        with self.lock:
            total = 0
            for number in range(2000):
                total += number


def test_waiting_for_locks_is_seen_and_named():
    found = waiting(Blocked, 2, 0.3)
    assert 0 < found.share <= 1
    assert [label for label, _ in found.locks] == ["the one"]
