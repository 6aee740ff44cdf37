"""Which locks are slowed down, when, and that they are held meanwhile or not yet."""

import threading

import pytest

import ftlocks
from ftlocks import Injection, KeyedLock, Lock, Observer, RLock, RWLock, observing
from ftlocks.profiler.instrument import Instrumentation
from ftlocks.profiler.whatif import Injector, Target, injection


def test_command_line_forms():
    assert injection("ledger=50us", "delay") == Injection("ledger", delay=50e-6)
    assert injection("a=b*=1.5ms", "hold") == Injection("a=b*", hold=0.0015)
    assert injection("ledger=50us", "delay").asked_ns == 50_000


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ledger", "write LOCK=TIME"),
        ("=5us", "write LOCK=TIME"),
        ("ledger=5", "cannot read '5' as a time"),
        ("ledger=0us", "needs either delay= or hold="),
        ("ledger=11s", "at most 10 s, got 11"),
    ],
)
def test_mistakes_are_named(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        injection(text, "hold")


def test_both_or_neither_is_a_mistake():
    with pytest.raises(ValueError, match="needs either"):
        Injection("ledger")
    with pytest.raises(ValueError, match="needs either"):
        Injection("ledger", delay=1e-6, hold=1e-6)
    with pytest.raises(ValueError, match="above 0"):
        Injection("ledger", delay=-1e-6)
    with pytest.raises(ValueError, match="name of a lock"):
        Injection("", delay=1e-6)


@pytest.fixture
def spent(monkeypatch):
    """What would have been spent, and what was known about the lock then."""
    times = []

    def spend(self, ns):
        times.append((self.asked.lock, ns, *[locked() for locked in watched]))

    watched = []
    monkeypatch.setattr(Target, "spend", spend)
    times_of = times
    return times_of, watched


LOCKS = {
    "lock": (lambda: Lock("it"), lambda lock: lock, Lock.locked),
    "rlock": (lambda: RLock("it"), lambda lock: lock, RLock.locked),
    "key": (
        lambda: KeyedLock("it"),
        lambda lock: lock.hold("k"),
        lambda lock: lock.locked("k"),
    ),
    "read": (
        lambda: RWLock("it"),
        lambda lock: lock.read(),
        lambda lock: bool(lock.statistics().readers),
    ),
    "write": (
        lambda: RWLock("it"),
        lambda lock: lock.write(),
        lambda lock: lock.statistics().writer is not None,
    ),
}


@pytest.mark.parametrize("kind", LOCKS)
def test_a_delay_is_before_the_lock_is_held_and_a_hold_while_it_is(kind, spent):
    times, watched = spent
    make, entering, locked = LOCKS[kind]
    injector = Injector([Injection("it", delay=1e-6), Injection("it", hold=2e-6)])
    lock = make()
    watched.append(lambda: locked(lock))
    with observing(injector, sample=100):
        for target in (*injector.targets, None):
            injector.turn_to(target)
            with entering(lock):
                pass

    assert times == [("it", 1000, False), ("it", 2000, True)]
    assert [target.acquisitions.value() for target in injector.targets] == [3, 3]


def test_only_the_outermost_acquisition_counts(spent):
    times, _ = spent
    injector = Injector([Injection("it", hold=1e-6)])
    lock = RLock("it")
    with observing(injector):
        injector.turn_to(injector.targets[0])
        with lock, lock:
            pass

    assert len(times) == 1
    assert injector.targets[0].acquisitions.value() == 1


def test_an_attempt_that_fails_is_delayed_and_is_no_acquisition(spent):
    times, _ = spent
    injector = Injector([Injection("it", delay=1e-6)])
    lock = Lock("it")
    with observing(injector), lock:
        injector.turn_to(injector.targets[0])
        assert not lock.acquire(False)

    assert len(times) == 1
    assert injector.targets[0].acquisitions.value() == 1  # the block's


def test_coming_back_from_a_condition_is_an_acquisition(spent):
    times, _ = spent
    condition = ftlocks.Condition(RLock("it"))
    injector = Injector([Injection("it", hold=1e-6)])
    with observing(injector):
        injector.turn_to(injector.targets[0])
        with condition:
            condition.wait(0.001)

    assert len(times) == 2


def test_other_locks_go_the_short_way():
    """A what-if must not slow down what it is not about."""
    injector = Injector([Injection("it", hold=1e-6)])
    it, other = Lock("it"), Lock("other")
    with observing(injector, sample=100):
        assert it._watch.settings.tracked
        assert not other._watch.settings.tracked
        late = Lock("it")
        assert late._watch.settings.tracked
        with observing(_Tracks(), sample=100):
            assert other._watch.settings.tracked
    assert it._watch is None


class _Tracks(Observer):
    def taken(self, lock, mode, key):
        pass


def test_the_time_is_spent_and_counted():
    target = Target(Injection("it", hold=1e-3))
    target.spend(1_000_000)
    target.spend(1_000_000)

    assert target.times.value() == 2
    assert target.spent_ns.value() >= 2_000_000


@pytest.mark.parametrize(
    "wanted",
    [
        "test_whatif.py:{line}",
        "Lock made at test_whatif.py:{line}",
        "*whatif.py:{line}",
        __file__ + ":{line}",
    ],
)
def test_a_lock_without_a_name_goes_by_its_place(wanted):
    lock = Lock()
    line = lock._info.site[1]
    injector = Injector([Injection(wanted.format(line=line), hold=1e-6)])
    assert injector.concerns(lock._info)
    assert not injector.concerns(Lock()._info)
    assert list(injector.targets[0].labels) == [f"Lock made at test_whatif.py:{line}"]


def test_a_pattern_finds_several_and_a_name_with_brackets_itself():
    injector = Injector([Injection("row[1]", hold=1e-6), Injection("row*", hold=1e-6)])
    assert injector.concerns(Lock("row[1]")._info)
    assert injector.concerns(Lock("row[2]")._info)
    assert not injector.concerns(Lock("arrow")._info)
    assert [list(target.labels) for target in injector.targets] == [
        ["row[1]"],
        ["row[1]", "row[2]"],
    ]


def test_locks_of_an_instrumented_program(spent):
    times, watched = spent
    instrumentation = Instrumentation()
    injector = Injector([Injection("Lock made at test_whatif.py:*", hold=1e-6)])
    instrumentation.install()
    try:
        with observing(injector):
            lock = threading.Lock()
            watched.append(lock.locked)
            injector.turn_to(injector.targets[0])
            with lock:
                pass
    finally:
        instrumentation.remove()

    assert times == [("Lock made at test_whatif.py:*", 1000, True)]
