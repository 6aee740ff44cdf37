"""The lock-order checker: what it reports before anything blocks, and what it keeps quiet about."""

import logging
import threading

import pytest
from locks.races import started

import ftlocks
from ftlocks import (
    KeyedLock,
    Lock,
    LockOrderError,
    RLock,
    RWLock,
    check_order,
    declare_order,
    nested,
)


@pytest.fixture
def checker():
    reports = []
    with check_order(reports.append) as checker:
        yield checker
    assert list(checker.reports) == reports


def take(*locks):
    """Take all of them, one inside the other, and let them go."""
    if locks:
        with locks[0]:
            take(*locks[1:])


def take_elsewhere(*locks, name="other"):
    with started(lambda: take(*locks), name=name):
        pass


def kinds(checker):
    return [report.kind for report in checker.reports]


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_both_orders_are_an_inversion_although_nothing_blocked(checker, kind):
    a, b = kind("a"), kind("b")
    take(a, b)
    assert not checker.reports
    take_elsewhere(b, a, name="second")

    (report,) = checker.reports
    assert report.kind == "inversion"
    assert report.summary == "lock order inversion: b -> a -> b"
    assert [(step.held, step.wanted, step.thread) for step in report.steps] == [
        ("b", "a", "second"),
        ("a", "b", "MainThread"),
    ]


def test_a_report_shows_both_stacks_of_both_acquisitions(checker):
    a, b = Lock("a"), Lock("b")

    def first():
        with a:
            then_b()

    def then_b():
        with b:
            pass

    def second():
        with b:
            take_a()

    def take_a():
        with a:
            pass

    first()
    second()

    text = str(checker.reports[0])
    line = first.__code__.co_firstlineno
    assert f"a had been taken at test_order.py:{line + 1} in first" in text
    assert f"b was wanted at test_order.py:{line + 5} in then_b" in text
    assert f"b had been taken at test_order.py:{line + 9} in second" in text
    assert f"a was wanted at test_order.py:{line + 13} in take_a" in text
    assert text.count("        then_b()\n") == 1  # the caller's line, in the stack of b
    assert "wait for each other for ever" in text
    assert "_tracked.py" not in text


def test_what_is_learnt_has_a_limit(checker, monkeypatch):
    monkeypatch.setattr("ftlocks.order.MAX_EDGES", 2)
    a, b, c = Lock("a"), Lock("b"), Lock("c")
    take(a, b)
    take(b, c)
    take(c, a)  # beyond: not learnt, and no harm
    assert checker.edges == 2
    keyed = KeyedLock("keyed")
    with keyed.hold_all(1, 2), keyed.hold(3):
        pass
    assert checker.edges == 4  # locks of one class are counted apart
    assert not checker.reports


def test_a_ring_of_three_is_found_at_its_last_edge(checker):
    a, b, c = Lock("a"), Lock("b"), Lock("c")
    take(a, b)
    take(b, c)
    assert not checker.reports
    take(c, a)

    assert checker.reports[0].summary == "lock order inversion: c -> a -> b -> c"


def test_each_ring_is_reported_once(checker):
    a, b = Lock("a"), Lock("b")
    for _ in range(3):
        take(a, b)
        take_elsewhere(b, a)
        take(b, a)
    assert len(checker.reports) == 1


def test_locks_made_by_one_line_are_one_class_whoever_holds_which(checker):
    first, second = [(Lock(), Lock("inner")) for _ in range(2)]
    take(*first)
    take(second[1], second[0])

    assert checker.reports[0].locks[1].startswith("Lock made at test_order.py:")


def test_one_order_everywhere_is_silent(checker):
    a, b, c = Lock("a"), RLock("b"), Lock("c")
    take(a, b, c)
    take(a, c)
    take_elsewhere(b, c)
    assert checker.edges == 3
    assert not checker.reports


def test_a_try_adds_no_edge_but_counts_as_held(checker):
    a, b, c = Lock("a"), Lock("b"), Lock("c")
    with a:
        assert b.acquire(False)
        with c:
            pass
        b.release()
    take(b, a)
    assert not checker.reports
    take(c, b)
    assert checker.reports[0].summary == "lock order inversion: c -> b -> c"


def test_a_timeout_of_zero_is_a_try_and_a_longer_one_is_not(checker):
    a, b = Lock("a"), Lock("b")
    with b:
        assert a.acquire(timeout=0)
        a.release()
    take(a, b)
    assert not checker.reports
    with b:
        assert a.acquire(timeout=1)
        a.release()
    assert kinds(checker) == ["inversion"]


def test_a_failed_try_is_not_held(checker):
    a, b = Lock("a"), Lock("b")
    take(b, a)
    with a:
        take_elsewhere_failing = started(lambda: a.acquire(False) or take(b))
        with take_elsewhere_failing:
            pass
    assert not checker.reports


def test_reentrance_is_silent_and_released_with_the_outermost(checker):
    a, b = RLock("a"), Lock("b")
    with a, a:
        with b, a:
            pass
        a.release()
        a.acquire()
    take(b, a)
    assert kinds(checker) == ["inversion"]  # a was held when b was taken
    take(b)
    assert checker.edges == 2  # and is no longer


def test_what_was_let_go_out_of_order_is_not_held(checker):
    a, b, c = Lock("a"), Lock("b"), Lock("c")
    a.acquire()
    assert b.acquire(False)
    a.release()
    take(c)
    b.release()
    take(c, a)
    assert not checker.reports


def test_a_lock_that_another_thread_lets_go_is_not_held(checker):
    baton, b = Lock("baton"), Lock("b")
    baton.acquire()
    with started(baton.release):
        pass
    take(b)
    take(b, baton)
    assert not checker.reports


def test_taking_a_lock_twice_is_a_recursion(checker):
    lock = Lock("once")
    with lock:
        assert not lock.acquire(timeout=0.001)
        assert not lock.acquire(timeout=0.001)
    assert [report.summary for report in checker.reports] == [
        "once is wanted by the thread that holds it, and is not reentrant"
    ]
    assert "RLock" in str(checker.reports[0])


def test_a_ring_under_one_more_lock_is_silent_until_it_is_made_without(checker):
    gate, a, b = Lock("gate"), Lock("a"), Lock("b")
    take(gate, a, b)
    take(gate, b, a)
    take_elsewhere(gate, b, a)
    assert not checker.reports
    take(a, b)
    assert kinds(checker) == ["inversion"]  # one thread may have a and b while another has the gate


def test_two_gates_are_no_gate(checker):
    a, b = Lock("a"), Lock("b")
    take(Lock("gate"), a, b)
    take(Lock("gate"), b, a)
    assert kinds(checker) == ["inversion"]


def test_readers_are_harmless_until_somebody_writes(checker):
    a, b = RWLock("a"), RWLock("b")
    take(a.read(), b.read())
    take_elsewhere(b.read(), a.read())
    assert not checker.reports
    take(a.write())
    assert not checker.reports  # b still has no writer
    take(b.write())

    assert set(checker.reports[0].locks) == {"a (to read)", "b (to read)"}
    assert kinds(checker) == ["inversion"]


def test_a_reader_and_a_writer_collide_at_once(checker):
    a, b = RWLock("a"), Lock("b")
    take(a.read(), b)
    take(b, a.write())
    assert kinds(checker) == ["inversion"]


def test_downgrading_and_reading_again_are_no_new_acquisitions(checker):
    a, b = RWLock("a"), Lock("b")
    with a.write() as block:
        block.downgrade()
        with a.read(), b:
            pass
    take(b)
    take(a.read(), b)
    assert not checker.reports
    take(b, a.read())
    assert kinds(checker) == ["inversion"]  # a was written above


def test_locks_of_one_class_in_one_order_are_silent(checker):
    shards = [Lock() for _ in range(4)]
    take(*shards)
    take(shards[0], shards[2])
    take_elsewhere(shards[1], shards[3])
    assert not checker.reports
    take(shards[3], shards[0])
    assert kinds(checker) == ["inversion"]


def test_a_declared_order_is_enforced_at_once(checker):
    shards = [Lock(f"shard {n}") for n in range(3)]
    same = [Lock("shard") for _ in range(3)]
    declare_order(same)
    declare_order(shards, key=lambda lock: -int(lock.name[-1]))  # other names, other classes
    take(*same)
    take(same[2], same[1])

    (report,) = checker.reports
    assert report.summary == "shard is wanted after shard, against their declared order"
    assert "declare_order()" in str(report)


def test_a_declared_order_may_be_a_key(checker):
    accounts = [Lock("account") for _ in range(5)]
    declare_order(accounts, key=id)
    take(*sorted(accounts, key=id))
    assert not checker.reports
    take(*sorted(accounts, key=id)[3:1:-1])
    assert kinds(checker) == ["declared order"]


def test_only_primitives_can_be_ordered():
    with pytest.raises(TypeError, match="only primitives of ftlocks can be ordered, got <unlocked"):
        declare_order([threading.Lock()])


def test_keys_taken_together_are_silent_and_in_both_orders_are_not(checker):
    lock = KeyedLock("rows")
    with lock.hold_all(3, 1, 2):
        pass
    with lock.hold(1), lock.hold(3):
        pass
    assert not checker.reports
    with lock.hold(3), lock.hold(1):
        pass
    assert checker.reports[0].summary == "lock order inversion: rows[3] -> rows[1] -> rows[3]"


def test_nested_makes_a_level_a_class_of_its_own(checker):
    parent, child, other = Lock("node"), Lock("node"), Lock("other")
    with parent, nested(child, 1), other:
        pass
    with child, nested(parent, 1):
        pass
    assert not checker.reports
    with nested(child, 1), parent:
        pass
    assert [report.summary for report in checker.reports] == [
        "lock order inversion: node at level 1 -> node -> node at level 1"
    ]


def test_nested_needs_no_checker():
    lock = RWLock()
    with nested(lock.write()) as block:
        block.downgrade()
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        nested(Lock(), -1)


def test_a_condition_lets_its_lock_go_while_it_waits(checker):
    lock, other = RLock("of the condition"), Lock("other")
    condition = threading.Condition(lock)
    with condition:
        state = condition._release_save()
        take(other)
        condition._acquire_restore(state)
    take(other, lock)
    assert not checker.reports
    with condition:
        take(other)
    assert kinds(checker) == ["inversion"]


def test_strict_refuses_before_the_lock_is_taken_every_time():
    a, b = Lock("a"), Lock("b")
    told = []
    with check_order(told.append, strict=True):
        take(a, b)
        for _ in range(2):
            with b:
                with pytest.raises(LockOrderError, match="inversion: b -> a -> b") as caught:
                    a.acquire()
                assert not a.locked()
        take(a, b)
    assert told == [caught.value.report] or len(told) == 1
    assert not b.locked()


def test_what_a_report_locks_is_not_the_programs_order():
    a, b, log = Lock("a"), Lock("b"), Lock("log")

    def report(_):
        with log:
            pass

    with check_order(report) as checker:
        take(a, b)
        take(b, a)
        take(log, a)
        take(log, b)
    assert len(checker.reports) == 1


def test_without_a_function_findings_are_logged(caplog):
    a, b = Lock("a"), Lock("b")
    with caplog.at_level(logging.WARNING, "ftlocks.order"), check_order():
        take(a, b)
        take(b, a)
    assert "lock order inversion: b -> a -> b" in caplog.text


def test_a_hold_across_the_switch_is_no_harm():
    a, b = Lock("a"), Lock("b")
    with a:
        with check_order() as checker:
            take(b)
            a.release()
            take(b, a)
            b.acquire()
        a.acquire()
        b.release()
    assert not checker.reports
    assert type(a.acquire) is type(threading.Lock().acquire)


def test_it_can_be_switched_on_beside_observation_and_off_again():
    lock = Lock()
    ftlocks.observe()
    try:
        with lock:
            checker = check_order()
        with lock, lock_held_by_none(checker):
            pass
        checker.stop()
        checker.stop()
        assert lock.statistics().observed
    finally:
        ftlocks.observe(False)
    assert lock.statistics().acquisitions == 2


class lock_held_by_none:  # noqa: N801
    """A block inside which the checker is stopped: what is held then is let go unrecorded."""

    def __init__(self, checker):
        self._checker = checker

    def __enter__(self):
        self._checker.stop()

    def __exit__(self, *_):
        pass


class _NobodyMayEnter:
    def __enter__(self):
        raise AssertionError("an order that is known took the lock that all threads share")

    def __exit__(self, *_):
        pass


def test_what_a_thread_has_seen_takes_no_shared_lock(checker, monkeypatch):
    a, b, shards = Lock("a"), RWLock("b"), [Lock() for _ in range(3)]
    keyed = KeyedLock("keyed")

    def everything():
        take(a, b.read(), *shards)
        take(a, b.write())
        with keyed.hold_all(1, 2, 3):
            pass

    everything()
    monkeypatch.setattr(checker, "_lock", _NobodyMayEnter())
    everything()
    with pytest.raises(AssertionError, match="all threads share"):
        take_elsewhere(a, b.read())  # another thread has still to learn
    monkeypatch.undo()


def test_threads_learn_side_by_side():
    locks = [Lock(f"l{n}") for n in range(6)]
    with check_order() as checker:
        workers = [
            started(lambda n=n: [take(*locks[n % 3 :]) for _ in range(100)]) for n in range(4)
        ]
        for worker in workers:
            worker.__enter__()
        for worker in workers:
            worker.join()
        assert not checker.reports
        assert checker.edges == 15
        take_elsewhere(locks[5], locks[0])
    assert kinds(checker) == ["inversion"]
