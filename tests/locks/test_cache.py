"""`SingleFlightCache`: one computation per key at a time; bounded, aging."""

import pytest
from locks.races import Rendezvous, Unlocked, started, wait_until

import ftlocks
from ftlocks import AcquireTimeoutError, LockMisuseError, SingleFlightCache, WouldBlockError
from ftstress import run_parallel


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("weakened", [False, True])
def test_one_thread_computes_a_key_and_all_have_its_value(weakened, monkeypatch):
    if weakened:
        monkeypatch.setattr("ftlocks.keyed._CRLock", Unlocked)
        monkeypatch.setattr(ftlocks.KeyedLock, "release", lambda *_: None)
    cache = SingleFlightCache(10)
    computing = Rendezvous(expected=weakened)
    values = []

    def compute(key):
        computing.meet()
        values.append((key, len(values)))
        return values[-1]

    def get():
        try:
            return cache.get("a", compute)
        except LockMisuseError:  # the cache's own check finds two in flight
            computing.meet()
            return "twice"

    got = run_parallel(get, get)

    assert ("twice" in got) is weakened
    assert weakened or (got == [("a", 0)] * 2 and cache.statistics().joined == 1)


def test_different_keys_are_computed_at_the_same_time():
    cache = SingleFlightCache(10)
    computing = Rendezvous(expected=True)
    got = run_parallel(*[lambda k=k: cache.get(k, lambda _: computing.meet()) for k in "ab"])
    assert got == [True, True]


def test_a_failure_is_its_threads_own_and_the_next_one_computes():
    cache = SingleFlightCache(10)

    def fail(key):
        wait_until(lambda: cache.statistics().waiting == 1)
        raise ConnectionError("down")

    def first():
        with pytest.raises(ConnectionError):
            cache.get("a", fail)

    with started(first):
        wait_until(lambda: cache.statistics().in_flight == 1)
        with started(lambda: cache.get("a", lambda key: "up")) as second:
            pass
    assert second.result == "up"
    figures = cache.statistics()
    assert (figures.failures, figures.misses, figures.size) == (1, 2, 1)


def test_values_age():
    clock = Clock()
    cache = SingleFlightCache(10, ttl=5, clock=clock)
    values = iter(range(10))

    def compute(key):
        return next(values)

    assert cache.get("a", compute) == 0
    clock.now += 4.9
    assert cache.get("a", compute) == 0
    clock.now += 0.1
    assert cache.peek("a", None) is None
    assert cache.get("a", compute) == 1
    assert cache.statistics().expired == 1
    assert cache.statistics().hits == 1


def test_the_least_recently_used_value_goes_first():
    cache = SingleFlightCache(2, name="pages")
    cache.get("a", str.upper)
    cache.get("b", str.upper)
    assert cache.get("a", str.lower) == "A"
    cache.get("c", str.upper)
    assert cache.peek("b", None) is None
    assert (cache.peek("a", None), cache.peek("c", None)) == ("A", "C")
    assert cache.statistics().evicted == 1
    assert len(cache) == 2
    assert repr(cache).endswith(": 2 of 2>")


class Remembering(SingleFlightCache):
    """Keeps what was computed from what is no longer so."""

    __slots__ = ()

    def _ground(self, key):
        pass


@pytest.mark.parametrize("kind", [SingleFlightCache, Remembering])
def test_a_computation_that_began_before_an_invalidation_is_not_kept(kind):
    cache = kind(10)
    source = ["old"]

    def compute(key):
        value = source[0]
        source[0] = "new"
        cache.invalidate(key)
        return value

    assert cache.get("a", compute) == "old"
    assert cache.peek("a", "forgotten") == ("forgotten" if kind is SingleFlightCache else "old")


def test_what_is_put_or_cleared_wins_over_a_computation_under_way():
    cache = SingleFlightCache(10)
    assert cache.get("a", lambda key: cache.put(key, "put") or "computed") == "computed"
    assert cache.peek("a", None) == "put"
    cache.clear()
    assert cache.get("a", lambda key: cache.clear() or "computed") == "computed"
    assert len(cache) == 0


def test_waiting_may_run_out_and_asking_for_oneself_is_refused():
    cache = SingleFlightCache(10, name="pages")
    running = Rendezvous(expected=True)
    with started(lambda: cache.get("a", lambda key: (running.meet(), running.meet()))):
        running.meet()
        with pytest.raises(AcquireTimeoutError, match=r"'a' of .*'pages'"):
            cache.get("a", str.upper, timeout=0.01)
        with pytest.raises(WouldBlockError, match=r"'a' of .*'pages'"):
            cache.get_nowait("a", str.upper)
        assert "1 in flight" in repr(cache)
        running.meet()
    assert cache.get_nowait("a", str.upper) == (True, True)
    with pytest.raises(LockMisuseError, match="'b' in cache 'pages' asks for the same key"):
        cache.get("b", lambda key: cache.get(key, str.upper))
    assert cache.get_nowait("b", str.upper) == "B"


def test_sizes_and_ages_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="maximum=0"):
        SingleFlightCache(0)
    with pytest.raises(ValueError, match="got 0"):
        SingleFlightCache(1, ttl=0)
