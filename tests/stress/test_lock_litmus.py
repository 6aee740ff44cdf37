"""The litmus tests of ftlocks pass, and each fails when what it tests is taken out."""

import contextlib

import pytest

import ftlocks
from ftstress import explore, lock_litmus
from ftstress.litmus import Litmus, parsed, run

SUITE = [
    value
    for name, value in vars(lock_litmus).items()
    if isinstance(value, type)
    and issubclass(value, Litmus)
    and value.__module__ == lock_litmus.__name__
    and not name.startswith("_")
]


class NoLock:
    """In the place of a primitive's inner lock: it lets everybody through."""

    def acquire(self, *arguments, **words):
        return True

    __enter__ = acquire

    def release(self, *arguments, **words):
        pass

    __exit__ = release

    # Of the kinds that hold for a key or in a mode.
    def hold(self, key):
        return contextlib.nullcontext()

    read = write = contextlib.nullcontext
    __getitem__ = hold


def without(attribute, make):
    def made(self, *arguments):
        primitive = make(self, *arguments)
        setattr(primitive, attribute, NoLock())
        return primitive

    return made


def plainly(make):
    return lambda self, *arguments: make()


class ForgetfulEvent(ftlocks.Event):
    """It looks, and then sleeps without looking again."""

    def wait(self, timeout=None):
        if self.is_set():
            return True
        gate = ftlocks.Event()
        self.sleeper = gate
        return gate.wait(timeout)

    def set(self):
        sleeper = getattr(self, "sleeper", None)
        super().set()
        if sleeper is not None:
            sleeper.set()


class LossyCondition(ftlocks.Condition):
    """It lets go of the lock before it is known to wait."""

    def wait(self, timeout=None):
        self.release()
        self.acquire()
        return super().wait(timeout)


class LeakyBarrier:
    def wait(self):
        return 0


class Eager:
    """Runs and keeps whatever it is asked for, each time."""

    def call(self, function):
        return function()

    def get(self, key, compute):
        return compute(key)

    def get_or_create(self, key, factory):
        return factory()


class TornChannel(ftlocks.Channel):
    """Looks whether there is an item, and takes it later."""

    def get_nowait(self):
        if not len(self):
            raise ftlocks.WouldBlockError("empty")
        item = self._items[0]
        self._items.popleft() if len(self) else None
        return item


class DeafChannel(ftlocks.Channel):
    """Looks whether it is closed, and sends later, closed or not."""

    def put(self, item, timeout=None):
        if self._closed:
            raise ftlocks.ClosedError("closed")
        self._sent = True

    def __iter__(self):
        return iter(["item"] if hasattr(self, "_sent") and not self._closed else [])


class TornDict(dict):
    def update_with(self, key, function, default):
        self[key] = function(self[key] if key in self else default)


class TornCounter:
    def __init__(self):
        self.total = 0

    def add(self, amount):
        self.total += amount

    def value(self):
        return self.total


class SharedLocal:
    def set(self, value):
        self.value = value

    def get(self):
        return self.value


WEAKENED = {
    "AtomicIntAdds": without("_lock", lock_litmus.AtomicIntAdds.make),
    "AtomicRefClaim": without("_lock", lock_litmus.AtomicRefClaim.make),
    **dict.fromkeys(
        ["LockExcludes", "RLockExcludes", "SemaphoreExcludes", "WriteLockExcludes"],
        plainly(NoLock),
    ),
    **dict.fromkeys(
        ["KeyedLockExcludes", "StripedLockExcludes", "ReaderSeesNoHalf"], plainly(NoLock)
    ),
    "EventPublishes": plainly(ForgetfulEvent),
    "ConditionWakes": plainly(LossyCondition),
    "BarrierOrders": plainly(LeakyBarrier),
    **dict.fromkeys(["OnceRunsOnce", "CacheComputesOnce", "DictCreatesOnce"], plainly(Eager)),
    "ChannelGivesOnce": lambda self: TornChannel(2),
    "ChannelCloses": lambda self: DeafChannel(1),
    "DictUpdates": plainly(TornDict),
    "CounterKeepsAll": plainly(TornCounter),
    "LocalIsOwn": plainly(SharedLocal),
}


@pytest.mark.parametrize("test", SUITE, ids=lambda test: test.__name__)
def test_the_primitive_keeps_its_promise_in_parallel(test):
    result = run(test, seconds=None, count=60)
    assert not result.is_forbidden, result.rows
    assert result.trials == 60


@pytest.mark.parametrize("test", SUITE, ids=lambda test: test.__name__)
def test_and_under_schedules(test):
    found = explore(test.under_schedule, iterations=20, modules=test.modules, raises=False)
    assert found.failure is None, found.failure


@pytest.mark.parametrize("name", WEAKENED)
def test_a_weakened_copy_fails(name):
    weak = type(f"Weak{name}", (getattr(lock_litmus, name),), {"make": WEAKENED[name]})
    weak.__module__ = __name__
    found = explore(
        weak.under_schedule,
        iterations=400,
        modules=(*weak.modules, lock_litmus.__name__),
        raises=False,
        minimise=False,
    )
    assert found.failure is not None
    kind = found.failure.failure
    assert kind.type in ("ForbiddenOutcomeError", "deadlock"), kind


def test_every_test_of_the_suite_is_weakened_but_the_one_that_has_nothing_to_weaken():
    # AtomicStoreBuffer is about the interpreter's memory, which cannot be made weaker from here.
    assert {test.__name__ for test in SUITE} - set(WEAKENED) == {"AtomicStoreBuffer"}
    assert all(parsed(test).summary for test in SUITE)
