"""Steps that are each locked but not together are found; those that are, or look again, are not."""

from pathlib import Path

import pytest
from stress.rewritten import load

from ftstress import importing
from ftstress.conversions import finding_of_race
from ftstress.detection import detecting
from ftstress.suppressions import Suppression, reason

SOURCE = """
import threading


def both(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Store:
    def __init__(self):
        self.lock = threading.Lock()
        self.outer = threading.RLock()
        self.value = 1
        self.table = {}
        self.items = [1, 2, 3]
        self.busy = False

    def get(self):
        with self.lock:
            return self.value

    def put(self, value):
        with self.lock:
            self.value = value

    def stale(self):
        self.put(self.get() + 1)

    def stale_in_one_function(self):
        with self.lock:
            value = self.value
        with self.lock:
            self.value = value + 1

    def stale_key(self):
        with self.lock:
            missing = "k" not in self.table
        if missing:
            with self.lock:
                self.table["k"] = object()

    def stale_pop(self):
        with self.lock:
            some = len(self.items) > 0
        if some:
            with self.lock:
                self.items.pop()

    def together(self):
        with self.lock:
            self.value = self.value + 1

    def looks_again(self):
        with self.lock:
            missing = "k" not in self.table
        if missing:
            with self.lock:
                if "k" not in self.table:
                    self.table["k"] = object()

    def sets_default(self):
        with self.lock:
            missing = "k" not in self.table
        if missing:
            with self.lock:
                self.table.setdefault("k", object())

    def pops_with_default(self):
        with self.lock:
            present = "k" in self.table
        if not present:
            with self.lock:
                self.table.pop("k", None)

    def under_an_outer_lock(self):
        with self.outer:
            self.stale()

    def claims(self):
        with self.lock:
            if self.busy:
                return
            self.busy = True
        with self.lock:
            self.busy = False

    def one_way_or_the_other(self):
        for turn in range(2):
            if turn == 0:
                self.get()
            else:
                self.put(2)

    def next_turn(self):
        for _ in range(2):
            self.put(2)
            self.get()


def run(name):
    store = Store()
    both(getattr(store, name))


def reads_after_join():
    store = Store()
    value = store.get()
    thread = threading.Thread(target=lambda: store.put(5))
    thread.start()
    thread.join()
    store.get()
    store.put(6)


def one_thread_only():
    Store().stale()
"""


STALE = {
    "stale": "attribute 'value' of a Store",
    "stale_in_one_function": "attribute 'value' of a Store",
    "stale_key": "item 'k' of a dict",
    "stale_pop": "a list as a whole",
}
WHOLE = [
    *("together", "looks_again", "sets_default", "pops_with_default", "under_an_outer_lock"),
    *("claims", "one_way_or_the_other", "next_turn"),
]


def violations(folder, run, *arguments):
    with detecting() as detector:
        getattr(load(folder, SOURCE), run)(*arguments)
    assert [race.text() for race in detector.races()] == []
    return detector.violations()


@pytest.mark.parametrize(("name", "variable"), STALE.items())
def test_steps_that_are_locked_one_by_one_are_found(tmp_path, name, variable):
    found = violations(tmp_path, "run", name)
    assert {violation.variable for violation in found} == {variable}


@pytest.mark.parametrize("name", WHOLE)
def test_steps_that_cannot_be_disturbed_are_not(tmp_path, name):
    assert [found.text() for found in violations(tmp_path, "run", name)] == []


@pytest.mark.parametrize("function", ["reads_after_join", "one_thread_only"])
def test_what_more_than_locks_orders_is_not(tmp_path, function):
    assert violations(tmp_path, function) == []


def test_a_report_has_both_halves_their_locks_and_who_can_come_in_between(tmp_path):
    (found,) = violations(tmp_path, "run", "stale_in_one_function")
    text = found.text()
    for part in (
        "NOT ATOMIC: attribute 'value' of a Store",
        "reads it under a lock",
        "value = self.value",
        "and, after letting the lock go, changes it",
        "self.value = value + 1",
        "In between 'Thread-",
        "locks held: Lock made at",
        "Why it is wrong: Each access holds a lock",
        "Usual remedy: Hold the lock from the look to the change",
    ):
        assert part in text
    finding = finding_of_race(found)
    assert finding.kind == "atomicity"
    assert len(finding.sides) == 3


def test_it_can_be_called_benign(tmp_path):
    source = SOURCE.replace(
        "            value = self.value\n",
        "            value = self.value  # ftstress: benign(an estimate is enough)\n",
    )
    with detecting() as detector:
        load(tmp_path, source).run("stale_in_one_function")
    (found,) = detector.violations()
    assert reason(found, []) == "an estimate is enough"
    assert reason(found, [Suppression("code.py", "Store.stale*", "value", "as planned")])


@pytest.mark.parametrize(
    "case",
    importing.load_file(Path(__file__).with_name("ordered_code.py"), "ordered_code").CASES,
    ids=lambda case: case.__name__,
)
def test_ordered_code_is_atomic_enough(case):
    with detecting() as detector:
        case()
    found = {found.second.site.function for found in detector.violations()}
    # The one that adds to a property whose two halves lock: no race, and wrong.
    assert found == ({"Locked.value"} if case.__name__ == "property_with_a_lock" else set())
