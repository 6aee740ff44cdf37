"""Tests with the race detector on."""

from stress.plugin.runs import run

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
            "*1 race found in test_it.py::test_starts_its_own",
            "RACE on attribute 'count' of a Cart*",
            "*again: python -m pytest 'test_it.py::test_starts_its_own'",
        ]
    )


def test_without_a_race_it_passes_on_both_builds(pytester):
    pytester.makepyfile(shop=SAFE)
    result = run(pytester, SOURCE)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_on_threads: * accesses, no race seen"])
