"""Items with fixtures of their own."""

from stress.plugin.runs import PLUGIN

pytest_plugins = "pytester"

CONFTEST = """
import pytest
from ftstress.plugin.isolated import Isolated

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    copies = [Isolated(pyfuncitem) for _ in range(3)]
    for copy in copies:
        copy.set_up()
    for copy in copies:
        copy.call()
    for copy in reversed(copies):
        copy.tear_down()
"""
SOURCE = """
import pytest

log = []

@pytest.fixture(scope="module")
def shared():
    log.append("shared up")
    yield object()
    log.append("shared down")

@pytest.fixture(params=["red", "blue"])
def colour(request):
    return request.param

@pytest.fixture
def mine(shared, colour, tmp_path):
    log.append(f"up {colour}")
    yield [shared, colour, tmp_path]
    log.append(f"down {colour}")

seen = []

@pytest.mark.parametrize("number", [7])
def test_it(mine, colour, number, shared):
    assert number == 7
    assert mine[:2] == [shared, colour]
    seen.append(mine)

class TestGroup:
    def setup_method(self):
        self.steps = []

    def test_method(self):
        self.steps.append(1)
        assert self.steps == [1]

def test_after():
    lists = [id(each) for each in seen]
    assert len(set(lists)) == 2 * 4  # pytest's own and three copies, for each colour
    assert len({each[2] for each in seen}) == 8
    assert len({id(each[0]) for each in seen}) == 1
    assert log.count("shared up") == 1 and "shared down" not in log
    assert log.count("up red") == log.count("down red") == 4
"""


def test_fixtures_of_a_function_are_its_own_and_wider_ones_are_shared(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:hypothesispytest")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SOURCE)
    pytester.runpytest_subprocess(*PLUGIN, timeout=50).assert_outcomes(passed=4)
