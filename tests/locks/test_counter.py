"""`ShardedCounter`: exact, whoever adds and whoever has ended."""

import threading

from ftlocks import ShardedCounter
from ftstress import run_parallel

ADDITIONS = 2_000


def add_many(counter):
    for _ in range(ADDITIONS):
        counter.add()


def test_the_sum_is_exact_when_threads_add_at_once():
    counter = ShardedCounter()

    run_parallel(*[lambda: add_many(counter)] * 4)

    assert counter.value() == 4 * ADDITIONS


def test_two_additions_that_overlap_are_both_counted_and_a_shared_sum_loses_one():
    """The same interleaving for both: every thread reads its share before any writes."""

    class Amount(int):
        """An addend that makes its `+=` wait, between read and write, for the other thread."""

        def __radd__(self, other):
            met.wait()
            return int(other) + int(self)

    class SharedCounter:  # what ShardedCounter would be without shards
        def __init__(self):
            self.amount = 0

        def add(self, amount):
            self.amount += amount

        def value(self):
            return self.amount

    sums = {}
    for kind in (ShardedCounter, SharedCounter):
        met = threading.Barrier(2, timeout=30)
        counter = kind()
        run_parallel(*[lambda counter=counter: counter.add(Amount(1))] * 2)
        sums[kind] = counter.value()

    assert sums == {ShardedCounter: 2, SharedCounter: 1}


def test_ended_threads_stay_counted_and_give_their_shards_back():
    counter = ShardedCounter(name="calls")

    for _ in range(3):
        run_parallel(lambda: counter.add(5), lambda: counter.add(-1))

    assert counter.value() == 12
    assert counter.value() == 12  # reading folds ended shards in, once
    assert counter.statistics().shards == 0
    assert counter.statistics().threads == 6
    assert repr(counter) == "<ShardedCounter 'calls' value=12 shards=0>"


def test_a_reader_never_sees_the_sum_fall_while_threads_come_and_go():
    counter = ShardedCounter()
    done = threading.Event()

    def come_and_go():
        try:
            for _ in range(50):
                thread = threading.Thread(target=counter.add)
                thread.start()
                thread.join()
        finally:
            done.set()

    def watch():
        seen = [counter.value()]
        while not done.is_set():
            seen.append(counter.value())
        return seen

    _, seen = run_parallel(come_and_go, watch)

    assert seen == sorted(seen)
    assert counter.value() == 50


def test_shares_are_listed_by_thread():
    counter = ShardedCounter()
    counter.add(3)
    run_parallel(counter.add)

    assert counter.shares() == {threading.get_ident(): 3}
