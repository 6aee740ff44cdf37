"""Tests with the race detector on."""

from stress.plugin.runs import GIL, run

pytest_plugins = "pytester"

SHOP = """
import threading

class Cart:
    def __init__(self):
        self.count = 0
        self.lock = threading.Lock()

    def add(self):
        {body}
"""
RACY = SHOP.format(body="self.count += 1")
SAFE = SHOP.format(body="with self.lock:\n            self.count += 1")
SOURCE = """
import threading
import pytest
import shop

before = shop

@pytest.mark.ftstress(races=True, instrument="shop")
def test_starts_its_own():
    cart = shop.Cart()
    threads = [threading.Thread(target=cart.add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

cart = shop.Cart()

class TestCart:
    @pytest.mark.ftstress(races=True, instrument=["shop"], threads=2, rounds=2)
    def test_on_threads(self, tmp_path):
        assert tmp_path.exists()
        cart.add()

def test_others_see_the_module_as_it_was():
    import sys
    assert sys.modules["shop"] is before
    assert sys.modules[__name__].before is before
"""


def test_a_race_fails_the_test_with_both_sides(pytester):
    pytester.makepyfile(shop=RACY)
    result = run(pytester, SOURCE)
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*1 finding in test_it.py::test_starts_its_own",
            "RACE on attribute 'count' of a Cart*",
            "*again: python -m pytest 'test_it.py::test_starts_its_own'",
        ]
    )


def test_without_a_race_it_passes(pytester):
    pytester.makepyfile(shop=SAFE)
    result = run(pytester, SOURCE)
    result.assert_outcomes(**({"passed": 1, "skipped": 2} if GIL else {"passed": 3}))
    result.stdout.fnmatch_lines(["*test_on_threads: * accesses, nothing found"])


OPPOSITE = """
import threading
import pytest

@pytest.mark.ftstress(races=True)
def test_two_locks():
    a, b = threading.Lock(), threading.Lock()

    def one():
        with a, b:
            pass

    def other():
        with b, a:
            pass

    for function in (one, other):
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()
"""


def test_locks_in_opposite_orders_fail_it_too(pytester):
    result = run(pytester, OPPOSITE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*1 finding in test_it.py::test_two_locks", "*opposite*"])


def test_a_race_says_more_than_the_assertion_that_fails_of_it(pytester):
    pytester.makepyfile(shop=RACY)
    source = SOURCE.replace(
        "        thread.join()", "        thread.join()\n    assert False, 'late'"
    )
    result = run(pytester, source, "-k", "own")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["RACE on attribute 'count' of a Cart*"])

    pytester.makepyfile(shop=SAFE)
    result = run(pytester, source, "-k", "own")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: late"])
