"""Call stacks that are noted quickly and read later."""

import gc
import sys
import weakref

from ftlocks import _sites


def _inner():
    return _sites.capture(2)


def test_a_site_has_lines_and_functions_innermost_first():
    site = _inner()
    line = sys._getframe().f_lineno - 1

    inner, outer = _sites.frames(site)[:2]
    assert (inner.function, inner.file) == ("_inner", __file__)
    assert (outer.function, outer.line) == (
        "test_a_site_has_lines_and_functions_innermost_first",
        line,
    )


def test_the_same_place_is_the_same_key_and_another_is_not():
    first, second = [_inner() for _ in range(2)]
    third = _inner()

    assert _sites.key_of(first) == _sites.key_of(second)
    assert _sites.key_of(first) != _sites.key_of(third)


def test_a_site_keeps_nothing_alive():
    class Big:
        pass

    def work():
        big = Big()
        return weakref.ref(big), _sites.capture(4)

    reference, site = work()
    gc.collect()
    assert reference() is None
    assert site


def test_depth_bounds_what_is_noted():
    assert len(_sites.frames(_inner(), 1)) == 1
    assert len(_inner()) <= 2 * (2 + _sites._OWN_FRAMES)


def test_a_place_is_the_first_outside_the_standard_primitives():
    stack = (
        _sites.Frame("Condition.__enter__", "/lib/python3.13/threading.py", 1),
        _sites.Frame("Queue.put", "/lib/python3.13/queue.py", 2),
        _sites.Frame("main", "/app/main.py", 3),
    )
    assert str(_sites.call_site(stack)) == "main (main.py:3)"
    assert _sites.call_site(stack[:2]) == stack[0]
    assert _sites.call_site(()) is None
