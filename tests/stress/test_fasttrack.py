"""`ftstress.fasttrack`: which accesses race, whatever the order in which they happened to come."""

import gc
from pathlib import Path

import pytest

from ftstress import importing
from ftstress.detection import detecting
from tests.stress.rewritten import races_of

ORDERED = Path(__file__).with_name("ordered_code.py")
ROUNDS = 3  # other interleavings, other addresses
CODE = importing.load_file(ORDERED, "ordered_code")


@pytest.mark.parametrize("case", CODE.CASES, ids=lambda case: case.__name__)
def test_ordered_code_is_no_race(case):
    for _ in range(ROUNDS):
        with detecting() as detector:
            case()

        assert [race.text() for race in detector.races()] == []
        assert detector.accesses


# Threads one after the other in time, so that nothing collides; the starts alone order nothing.
APART = """
import threading, time
import numpy

class Box:
    def __init__(self):
        self.value, self.items, self.table, self.names = 0, [1, 2], {{"k": 1}}, set()
        self.array = numpy.zeros((2, 2))

box, lock = Box(), threading.Lock()

def one():
    {one}

def two():
    {two}

def main():
    threads = [threading.Thread(target=function) for function in (one, two)]
    for thread in threads:
        thread.start()
        time.sleep(0)
    for thread in threads:
        thread.join()
"""


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("box.value = 1", "box.value = 2"),
        ("box.value = 1", "return box.value"),
        ("return box.value", "box.value = 1"),
        ("box.table['k'] = 1", "return box.table['k']"),
        ("box.table['k'] += 1", "return box.table.get('k')"),
        ("del box.table['k']", "return 'k' in box.table"),
        ("box.table['new'] = 1", "return list(box.table)"),
        ("box.table.clear()", "return 'k' in box.table"),
        ("box.table.setdefault('k', 1)", "return box.table['k']"),
        ("box.items.append(1)", "return sum(box.items)"),
        ("box.items.append(1)", "return len(box.items)"),
        ("box.items.pop()", "return box.items[0]"),
        ("box.items.sort()", "box.items.append(1)"),
        ("box.items[0] = 1", "return box.items[0]"),
        ("box.items[0] = 1", "return [v for v in box.items]"),
        ("box.names.add('x')", "return 'x' in box.names"),
        ("box.names.add('x')", "return sorted(box.names)"),
        ("with lock: box.value += 1", "box.value += 1"),
        ("box.array[0, 1] += 1", "box.array[0, 1] += 1"),
        ("box.array += 1", "box.array += 1"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_unordered_accesses_race_in_either_order(tmp_path, one, two, swapped):
    pair = {"one": two, "two": one} if swapped else {"one": one, "two": two}

    races = races_of(tmp_path, APART.format(**pair))

    assert races


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("box.table['a'] = 1", "box.table['b'] = 1"),
        ("box.items[0] = 1", "box.items[1] = 1"),
        ("box.items.append(1)", "box.items.append(2)"),
        ("box.names.add('x')", "box.names.add('x')"),
        ("box.array[0, 1] += 1", "box.array[1, 1] += 1"),
        ("box.array[0:1] = 1", "box.array[1:2] = 1"),
        ("return box.value", "return box.value"),
        ("return sum(box.items)", "return len(box.items)"),
    ],
)
def test_accesses_that_commute_do_not_race(tmp_path, one, two):
    assert races_of(tmp_path, APART.format(one=one, two=two)) == []


CHECKS = """
import threading

class Once:
    def __init__(self):
        self.lock, self.value, self.count = threading.Lock(), None, 0

    def looked_at_twice(self):
        if self.value is None:
            with self.lock:
                if self.value is None:
                    self.value = [1]
        return self.value

    def not_looked_at_again(self):
        if self.value is None:
            with self.lock:
                self.value = [1]
        return self.value

    def added_to(self):
        if self.count < 10:
            with self.lock:
                self.count += 1

    def looked_at_under_an_earlier_lock(self):
        with threading.Lock():  # one that orders nothing
            if self.value is None:
                pass
        if self.value is None:
            with self.lock:
                self.value = [1]

once = Once()

def main():
    threads = [threading.Thread(target=once.{method}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.parametrize(
    ("method", "found"),
    [
        ("looked_at_twice", False),
        ("not_looked_at_again", True),
        ("added_to", True),
        ("looked_at_under_an_earlier_lock", True),
    ],
)
def test_only_a_second_look_under_the_lock_makes_the_first_one_right(tmp_path, method, found):
    assert bool(races_of(tmp_path, CHECKS.replace("{method}", method))) is found


def test_a_race_is_told_once_for_its_two_places(tmp_path):
    races = races_of(
        tmp_path,
        APART.format(
            one="for _ in range(50):\n        with lock: pass\n        box.value += 1",
            two="for _ in range(50):\n        with lock: pass\n        box.value += 1",
        ),
    )

    assert len(races) <= 3  # each line with itself, and the two with each other
    assert {race.field for race in races} == {"value"}


def test_a_lock_that_somebody_else_lets_go_orders(tmp_path):
    races = races_of(
        tmp_path,
        """
import threading
box, gate = {}, threading.Lock()

def wait():
    gate.acquire()
    box["x"] = box["x"] + 1

def main():
    gate.acquire()
    thread = threading.Thread(target=wait)
    thread.start()
    box["x"] = 1
    gate.release()
    thread.join()
""",
    )

    assert races == []


def test_what_has_been_looked_at_may_end(tmp_path):
    with detecting() as detector:
        module = importing.load_file(
            _write(
                tmp_path,
                """
class Box:
    pass

def work(n):
    for number in range(n):
        box = Box()
        box.value = [number]
        box.value.append({number: number})
""",
            ),
            "ending",
        )
        module.work(6_000)
        gc.collect()

        # All boxes are forgotten; lists are let go in sweeps.
        assert len(detector._table) < 6_000


def _write(folder, source):
    path = folder / "ending.py"
    path.write_text(source, "utf-8")
    return path
