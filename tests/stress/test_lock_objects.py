"""The object tests of ftlocks pass, and each fails when what it tests is taken out."""

import pytest
from stress.object_tests import Number
from stress.test_lock_litmus import NoLock, without

import ftlocks
from ftstress import explore, lock_objects
from ftstress.object_schedules import UnderSchedule, explored
from ftstress.object_tests import planned
from ftstress.objects import Call, ObjectTest, integers, operation, run

SUITE = [
    value
    for name, value in vars(lock_objects).items()
    if isinstance(value, type)
    and issubclass(value, ObjectTest)
    and value.__module__ == lock_objects.__name__
]


class TornDict(ftlocks.ConcurrentDict):
    """Its stripes' locks are gone."""

    def __init__(self):
        super().__init__()
        for stripe in self._stripes:
            stripe.lock = NoLock()


class TornCache(ftlocks.SingleFlightCache):
    """It computes without holding the key, and keeps what it made, whatever came before."""

    def get(self, key, compute, *, timeout=None):
        found = self.peek(key, None)
        if found is None:
            found = compute(key)
            self.put(key, found)
        return found


class TornEvent(ftlocks.Event):
    """It forgets an order: `clear` works on what it saw before."""

    def clear(self):
        before = self.is_set()
        if before:
            super().clear()
            super().set()


class TornLock:
    """Looks and then takes."""

    def __init__(self):
        self.is_held = False

    def acquire(self, blocking):
        if self.is_held:
            return False
        self.is_held = True
        return True

    def release(self):
        if not self.is_held:
            raise RuntimeError
        self.is_held = False

    def locked(self):
        return self.is_held


WEAKENED = {
    "AtomicInt": without("_lock", lock_objects.AtomicInt.make),
    "ConcurrentDict": lambda self: TornDict(),
    "Channel": without("_mutex", lock_objects.Channel.make),
    "SingleFlightCache": lambda self: TornCache(8),
    "BoundedSemaphore": without("_mutex", lock_objects.BoundedSemaphore.make),
    "Event": lambda self: TornEvent(),
    "Lock": lambda self: TornLock(),
}


@pytest.mark.parametrize("test", SUITE, ids=lambda test: test.__name__)
def test_every_answer_is_explained_in_parallel(test):
    result = run(test, seconds=None, count=100, repeats=5, shrink=False)
    assert result.failure is None
    assert result.scripts == 20


@pytest.mark.parametrize("test", SUITE, ids=lambda test: test.__name__)
def test_and_under_schedules(test):
    found = explored(test, scripts=3, iterations=8)
    assert found.failure is None, found.failure


@pytest.mark.parametrize("name", WEAKENED)
def test_a_weakened_copy_fails(name):
    weak = type(f"Weak{name}", (getattr(lock_objects, name),), {"make": WEAKENED[name]})
    weak.__module__ = __name__
    found = explored(weak, scripts=30, iterations=60, minimise=False)
    assert found.failure is not None
    assert found.failure.failure.type == "NotLinearizableError"


def test_all_are_weakened():
    assert {test.__name__ for test in SUITE} == set(WEAKENED)


def test_a_value_put_just_before_a_computation_begins_is_not_overwritten_by_it():
    script = ((Call("put", ("b", 3)),), (Call("get", ("b", 2)), Call("peek", ("b",))))
    test = UnderSchedule(planned(lock_objects.SingleFlightCache), script)
    explore(test, strategy="dfs", iterations=400, modules=["ftlocks.cache"])


class Sums(ObjectTest):
    """A sharded counter, with its sum as an operation."""

    threads = 3
    length = 2

    model = Number
    modules = ("ftlocks.counter",)

    def __init__(self):
        self.counter = ftlocks.ShardedCounter()

    @operation(amount=integers(1, 2))
    def add(self, amount):
        self.counter.add(amount)

    @operation()
    def get(self):
        return self.counter.value()


def test_the_sum_of_a_sharded_counter_is_no_moments_as_its_documentation_says():
    class OneByOne(Number):
        def add(self, amount):
            super().add(amount)

    Sums.model = OneByOne
    found = explored(Sums, scripts=60, iterations=30, minimise=False)
    assert found.failure is not None
