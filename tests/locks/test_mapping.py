"""`ConcurrentDict`: looking and acting is one step."""

import pytest
from locks.races import Rendezvous, Unlocked, started, wait_until

import ftlocks
from ftlocks import AcquireTimeoutError, ConcurrentDict, LockMisuseError
from ftstress import run_parallel


@pytest.mark.parametrize("weakened", [False, True])
def test_one_thread_creates_and_all_have_its_value(weakened, monkeypatch):
    if weakened:
        monkeypatch.setattr("ftlocks.keyed._CRLock", Unlocked)
        monkeypatch.setattr(ftlocks.KeyedLock, "release", lambda *_: None)
    table = ConcurrentDict()
    creating = Rendezvous(expected=weakened)

    def create():
        creating.meet()
        return object()

    def get():
        try:
            return table.get_or_create("a", create)
        except LockMisuseError:  # the dictionary's own check finds two at it
            creating.meet()
            return "twice"

    got = run_parallel(get, get)

    assert ("twice" in got) is weakened
    assert weakened or (got[0] is got[1] is table["a"] and table.statistics().created == 1)


class Overwriting(ConcurrentDict):
    """Assigns what it computed, whatever has happened meanwhile."""

    __slots__ = ()

    def update_with(self, key, function, default):
        self[key] = function(self.get(key, default))


@pytest.mark.parametrize("kind", [ConcurrentDict, Overwriting])
def test_no_update_is_lost(kind):
    table = kind()
    read = Rendezvous(expected=True)
    first_time = set()

    def append(name):
        def function(names):
            if name not in first_time:
                first_time.add(name)
                read.meet()  # both have read before any writes
            return (*names, name)

        table.update_with("names", function, ())

    run_parallel(lambda: append("a"), lambda: append("b"))

    assert len(table["names"]) == (2 if kind is ConcurrentDict else 1)


def test_counts_are_exact_under_load():
    table = ConcurrentDict(name="words")
    run_parallel(*[lambda: table.update_with("a", lambda n: n + 1, 0)] * 4, rounds=100)
    assert table["a"] == 400
    assert table.statistics().updates == 400


def test_a_factory_that_fails_leaves_nothing_and_the_next_one_tries():
    table = ConcurrentDict()

    def fail():
        wait_until(lambda: table.statistics().waiting == 1)
        raise ConnectionError("down")

    def first():
        with pytest.raises(ConnectionError):
            table.get_or_create("a", fail)

    with started(first):
        wait_until(lambda: table._creating)
        with started(lambda: table.get_or_create("a", lambda: "up")) as second:
            pass
    assert second.result == "up"


def test_a_factory_may_use_the_dictionary_but_not_its_own_key():
    table = ConcurrentDict(name="words")
    made = table.get_or_create("a", lambda: table.get_or_create("b", lambda: 1) + 1)
    assert made == 2
    with pytest.raises(LockMisuseError, match="'c' in dictionary 'words' asks for the same key"):
        table.get_or_create("c", lambda: table.get_or_create("c", lambda: 1))
    assert table.get_or_create("d", lambda: table.setdefault("d", "assigned") and "made") == (
        "assigned"
    )


def test_waiting_for_another_threads_factory_may_run_out():
    table = ConcurrentDict(name="words")
    running = Rendezvous(expected=True)
    with started(lambda: table.get_or_create("a", lambda: (running.meet(), running.meet()))):
        running.meet()
        with pytest.raises(AcquireTimeoutError, match=r"'a' of .*'words'"):
            table.get_or_create("a", lambda: 1, timeout=0.01)
        running.meet()


def test_comparing_is_by_identity():
    old, equal = [1], [1]
    table = ConcurrentDict({"a": old})
    assert not table.compare_and_set("a", equal, [])
    assert not table.compare_and_set("b", old, [])
    assert table.compare_and_set("a", old, equal)
    assert not table.remove_if("a", old)
    assert table.remove_if("a", equal)
    assert "a" not in table


def test_it_is_a_mapping():
    table = ConcurrentDict({"a": 1}, name="words")
    table["b"] = 2
    table.update(c=3)
    assert dict(table) == {"a": 1, "b": 2, "c": 3}
    assert list(table.items()) == [("a", 1), ("b", 2), ("c", 3)]
    assert (len(table), table.get("x"), table.get("x", 0)) == (3, None, 0)
    assert table.popitem() == ("c", 3)
    assert table.pop("b") == 2
    assert table.pop("b", None) is None
    with pytest.raises(KeyError):
        table.pop("b")
    del table["a"]
    with pytest.raises(KeyError, match="is empty"):
        table.popitem()
    table["z"] = 0
    for key in table:  # a copy
        table[key + key] = 1
    assert repr(table) == "<ftlocks.ConcurrentDict 'words' {'z': 0, 'zz': 1}>"
    table.clear()
    assert not table
