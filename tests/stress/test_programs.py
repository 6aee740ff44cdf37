"""Programs under the detector: modules as well as files, once or for a while."""

import sys

import pytest

from ftstress import programs
from ftstress.findings import gil_enabled
from ftstress.programs import Program, run_for, run_module
from tests.stress.rewritten import write

RACY = """
import random
import threading
from helper import box
rolls = []
def work():
    box.n += 1
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
box.rolls.append(random.random())
"""
HELPER = """
import sys
class Box:
    n = 0
    rolls = sys.modules["kept_rolls"].rolls
box = Box()
"""


class Kept:
    def __init__(self):
        self.rolls = []


@pytest.fixture
def kept(monkeypatch):
    """What outlives the programs' own modules."""
    made = Kept()
    monkeypatch.setitem(sys.modules, "kept_rolls", made)
    return made


@pytest.fixture
def clock(monkeypatch):
    """Ten seconds pass at each look."""
    time = iter(range(0, 10_000, 10))
    monkeypatch.setattr(programs, "perf_counter", lambda: next(time))


@pytest.fixture
def program(tmp_path):
    write(tmp_path, HELPER, "helper")
    return Program(str(write(tmp_path, RACY, "program")))


def test_a_program_is_run_again_until_the_time_is_over(program, kept, clock):
    told = []
    # Looks: at the start, then at the end of each run, at its beginning and before the next one.
    report = run_for(program, 85, progress=lambda runs, report: told.append(runs))

    (part,) = report.explored
    assert told == list(range(1, part.runs + 1))
    assert part.runs == len(kept.rolls) == 3
    (race,) = report.findings
    assert race.count == 3 * run_for(program).findings[0].count
    assert part.modules == ("__main__", "helper")
    assert "helper" not in sys.modules
    assert report.doubts == (
        ("the GIL was on from the start: use a free-threaded build",) if gil_enabled() else ()
    )


def test_without_a_time_it_is_run_once(program, kept):
    assert run_for(program).explored[0].runs == len(kept.rolls) == 1


def test_a_seed_makes_random_the_same_and_each_run_another(program, kept, clock):
    seeds = [run_for(program, 85, seed=5).explored[0].seeds for _ in range(2)]
    assert seeds == [(5, 6, 7)] * 2
    assert kept.rolls[:3] == kept.rolls[3:]
    assert len(set(kept.rolls)) == 3


MODULE = """
import sys
import threading
from . import parts
assert __name__ == "__main__"
def work():
    parts.box.n += 1
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
parts.seen = sys.argv[1:]
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "shop_under_test"
    folder.mkdir()
    write(folder, "", "__init__")
    write(folder, "class Box:\n    n = 0\nbox = Box()\n", "parts")
    write(folder, MODULE, "cart")
    yield folder
    for name in [name for name in sys.modules if name.startswith("shop_under_test")]:
        del sys.modules[name]


def test_a_module_is_run_as_with_dash_m(package):
    arguments = sys.argv
    outcome = run_module("shop_under_test.cart", ["-x"])

    assert outcome.doubts == [] or gil_enabled()
    assert {race.first.site.filename for race in outcome.races} == {str(package / "cart.py")}
    assert sys.modules["shop_under_test.parts"].seen == ["-x"]
    assert set(outcome.instrumented) >= {"__main__", "shop_under_test.parts"}
    assert sys.argv is arguments


def test_a_package_is_run_by_its_main(package):
    (package / "cart.py").rename(package / "__main__.py")
    assert run_module("shop_under_test").races


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module", "no module named 'no_such_module'"),
        ("shop_under_test", "a package without a __main__ module"),
        ("math", "is no Python source"),
    ],
)
def test_what_cannot_be_run_is_told(package, name, message):
    with pytest.raises(ImportError, match=message):
        run_module(name)
