"""`ThreadLocal`: a value per thread, enumerable, gone with its thread."""

import gc
import threading
import weakref

import pytest

from ftlocks import ThreadLocal
from ftstress import run_parallel


def in_thread(function):
    """Run on a thread that has ended when this returns."""
    return run_parallel(function)[0]


class Value:
    pass


def test_each_thread_has_its_own_value_made_once():
    local = ThreadLocal(Value)

    def use():
        first = local.get()
        assert local.get() is first
        return first

    a, b = run_parallel(use, use)

    assert a is not b


def test_a_reused_ident_does_not_inherit_the_dead_threads_value():
    local = ThreadLocal(list)
    idents = set()

    def use():
        idents.add(threading.get_ident())
        local.get().append(1)
        return len(local.get())

    lengths = [in_thread(use) for _ in range(20)]

    assert lengths == [1] * 20
    assert len(idents) <= 20


def test_living_threads_values_can_be_enumerated():
    local = ThreadLocal(threading.get_ident)
    meeting = threading.Barrier(2, timeout=30)

    def use():
        mine = local.get()
        meeting.wait()
        values, items, length = local.values(), local.items(), len(local)
        meeting.wait()
        return mine, values, items, length

    (a, values, items, length), (b, *_) = run_parallel(use, use)

    assert set(values) == {a, b}
    assert set(items) == {(a, a), (b, b)}
    assert length == 2


def test_a_value_is_freed_when_its_thread_has_ended():
    local = ThreadLocal(Value)

    reference = in_thread(lambda: weakref.ref(local.get()))
    gc.collect()

    assert reference() is None
    assert local.values() == []
    assert local.statistics().live == 0
    assert local.statistics().created == 1


def test_the_finalizer_gets_each_value_once_after_the_threads_end():
    ended = []
    local = ThreadLocal(object, finalizer=ended.append)

    values = run_parallel(local.get, local.get)

    assert sorted(map(id, ended)) == sorted(map(id, values))


def test_a_discarded_value_is_not_finalized():
    ended = []
    local = ThreadLocal(object, finalizer=ended.append)

    def use():
        first = local.get()
        local.discard()
        local.discard()
        assert local.peek(None) is None
        second = local.get()
        assert second is not first
        return second

    assert in_thread(use) is ended[0]
    assert len(ended) == 1


def test_set_replaces_and_peek_creates_nothing():
    local = ThreadLocal(lambda: "made")

    assert local.peek("absent") == "absent"
    assert len(local) == 0
    local.set("given")
    local.set("given again")
    assert local.get() == "given again"
    assert local.values() == ["given again"]


def test_a_factory_that_raises_leaves_no_value():
    def refuse():
        raise ValueError("not today")

    local = ThreadLocal(refuse)
    with pytest.raises(ValueError, match="not today"):
        local.get()
    assert len(local) == 0


def test_a_dropped_local_frees_its_values_and_its_threads_end_quietly():
    local = ThreadLocal(Value)
    reference = weakref.ref(local.get())
    del local
    gc.collect()

    assert reference() is None


def test_names_itself():
    local = ThreadLocal(int, name="hits")
    local.get()
    assert repr(local) == "<ThreadLocal 'hits' live=1>"
    assert local.statistics().name == "hits"
