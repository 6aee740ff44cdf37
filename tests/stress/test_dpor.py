"""One schedule of each trace: counted against all schedules there are, and held to classic bugs."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Lock, Thread

import pytest
from stress.classics import CLASSICS, together

from ftstress import explore
from ftstress.dpor import DPOR, trace_of


class Everything:
    """All schedules, one by one; `traces` is what is left of them up to equivalence."""

    name = "everything"

    def __init__(self):
        self.traces = set()
        self.last = None
        self.nodes = []  # of the way: choices there are, and which was taken
        self.depth = 0

    def attach(self, run):
        self.last = run

    def begin(self, _iteration):
        self.depth = 0
        if self.last is None:
            return True
        self.traces.add(trace_of(self.last).canonical())
        while self.nodes and self.nodes[-1][1] + 1 == len(self.nodes[-1][0]):
            self.nodes.pop()
        if self.nodes:
            self.nodes[-1][1] += 1
        return bool(self.nodes)

    def choose(self, choice, _step):
        if self.depth == len(self.nodes):
            self.nodes.append([choice.enabled, 0])
        enabled, index = self.nodes[self.depth]
        assert enabled == choice.enabled
        self.depth += 1
        return enabled[index]

    def describe(self):
        return "everything"

    def parameters(self):
        return {}


class Counting(DPOR):
    """What was run, up to equivalence, in its order."""

    def __init__(self):
        super().__init__()
        self.traces = []

    def _learn(self, run):
        if not run.is_redundant:
            self.traces.append(trace_of(run).canonical())
        super()._learn(run)


class Shared:
    def __init__(self):
        self.x = 0
        self.y = 0
        self.lock = Lock()
        self.other = Lock()
        self.items = []
        self.table = {"a": 0, "b": 0}


def two_variables():
    shared = Shared()

    def first():
        shared.x = 1
        shared.y = 1

    def second():
        shared.y = 2
        shared.x = 2

    together(first, second)


def nothing_in_common():
    shared = Shared()

    def first():
        shared.x = 1
        shared.x = 2

    def second():
        shared.y = 1
        shared.y = 2

    together(first, second)


def two_increments():
    shared = Shared()

    def add():
        shared.x += 1

    together(add, add)


def three_writers():
    shared = Shared()

    def writer(number: int) -> Callable[[], None]:
        def write():
            shared.x = number

        return write

    together(writer(1), writer(2), writer(3))


def a_reader_and_a_writer():
    shared = Shared()

    def read():
        _ = shared.x

    def write():
        shared.x = 1

    together(read, write)


def a_lock_around_it():
    shared = Shared()

    def add():
        with shared.lock:
            shared.x += 1

    together(add, add)


def two_locks():
    shared = Shared()

    def both():
        with shared.lock, shared.other:
            shared.x = 1

    def inner():
        with shared.other:
            shared.y = 1

    together(both, inner)


def a_try():
    shared = Shared()

    def attempt():
        if shared.lock.acquire(False):
            shared.lock.release()

    together(attempt, attempt)


def different_keys():
    shared = Shared()

    def first():
        shared.table["a"] = 1

    def second():
        shared.table["b"] = 1

    together(first, second)


def one_list():
    shared = Shared()

    def append():
        shared.items.append(1)

    def look():
        _ = len(shared.items)

    together(append, look)


def a_queue():
    queue = SimpleQueue()
    together(lambda: (queue.put(1), queue.put(2)), queue.get)


def a_flag():
    flag = Event()

    def look():
        _ = flag.is_set()

    together(flag.set, look)


def a_barrier():
    barrier = threading.Barrier(2)
    together(barrier.wait, barrier.wait)


# How many traces there are, where that can be counted by hand.
PROGRAMS = [
    (two_variables, 4 - 1),  # all four orders of two pairs, but the one that would be a circle
    (nothing_in_common, 1),
    (two_increments, 4),  # read before or after the other's write, for both; not a circle
    (three_writers, 6),
    (a_reader_and_a_writer, 2),
    (a_lock_around_it, 2),
    (two_locks, 2),
    (a_try, None),
    (different_keys, 1),
    (one_list, None),
    (a_queue, None),
    (a_flag, None),
    (a_barrier, None),
]


@pytest.mark.parametrize(("program", "count"), PROGRAMS)
def test_one_schedule_of_each_trace_is_run(program, count):
    everything = Everything()
    all_of_them = explore(program, strategy=everything, iterations=4_000)
    assert all_of_them.is_complete
    reduced = Counting()
    found = explore(program, strategy=reduced, iterations=200)
    assert found.is_complete
    assert set(reduced.traces) == everything.traces
    assert len(reduced.traces) == len(everything.traces)  # none twice
    if count is not None:
        assert len(reduced.traces) == count
    assert reduced.runs <= all_of_them.runs
    assert "all schedules explored" in found.strategy
    assert f"{reduced.runs} schedules; " in found.strategy


@pytest.mark.parametrize(("bug", "twin", "kind"), CLASSICS)
def test_each_classic_bug_is_found_in_fewer_schedules_than_depth_first(bug, twin, kind):
    reduced = explore(bug, strategy="dpor", max_steps=1_000, raises=False, minimise=False)
    assert reduced.failure.failure.type == kind
    bounded = explore(bug, strategy="dfs", max_steps=1_000, raises=False, minimise=False)
    assert reduced.runs <= bounded.runs


# Their pools of workers have more traces than a test should run.
LARGE = {"future_self_wait_mended"}


@pytest.mark.parametrize("twin", [twin for _, twin, _ in CLASSICS if twin.__name__ not in LARGE])
def test_a_mended_twin_is_explored_to_its_end(twin):
    found = explore(twin, strategy="dpor", iterations=200, max_steps=1_000)
    assert found.is_complete
    assert found.failure is None


def test_what_is_left_is_said():
    found = explore(three_writers, strategy="dpor", iterations=2)
    assert not found.is_complete
    assert "stopped with schedules left" in found.strategy


def test_a_loop_that_spins_is_not_called_exhausted():
    def test():
        shared = Shared()

        def stop():
            shared.x = 1

        thread = Thread(target=stop)
        thread.start()
        while not shared.x:
            pass
        thread.join()

    found = explore(test, strategy="dpor", iterations=5)
    assert "all schedules explored" not in found.strategy
