"""Tests with the race detector on.

Only code that was rewritten when it was imported can be looked into, and pytest has long imported
everything when a test begins. So a marked test is run from a new copy of its module, made while
the detector listens, with new copies of the modules it names; nobody else sees them.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any

import pytest

from ftstress import importing
from ftstress.conversions import finding_of_deadlock, finding_of_order, finding_of_race
from ftstress.detection import detecting
from ftstress.fasttrack import RaceDetector
from ftstress.reports.text import finding_text


@contextmanager
def looking(
    item: pytest.Function, patterns: Sequence[str]
) -> Iterator[tuple[RaceDetector, Callable[[], None]]]:
    """The detector, and the test's body in its rewritten form. Fixtures stay as they are."""
    taken = {
        name: module
        for name, module in list(sys.modules.items())
        if any(fnmatchcase(name, p) or name.startswith(f"{p}.") for p in patterns)
    }
    home = item.function.__module__
    taken.update({home: sys.modules[home]} if home in sys.modules else {})
    for name in taken:
        del sys.modules[name]
    own = set(sys.modules)
    try:
        with detecting() as detector, importing.instrumented([home, *patterns]):
            module = importing.load_file(item.path, home)
            yield detector, _body(item, module)
    finally:
        for name in set(sys.modules) - own:
            if any(fnmatchcase(name, p) or name.startswith(f"{p}.") for p in patterns):
                del sys.modules[name]
        sys.modules.update(taken)


def _body(item: pytest.Function, module: ModuleType) -> Callable[[], None]:
    owner: Any = module
    *classes, name = item.function.__qualname__.split(".")
    for each in classes:
        owner = getattr(owner, each)
    function = getattr(owner() if classes else owner, name)
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}

    def call() -> None:
        function(**arguments)

    return call


def fail_for(detector: RaceDetector, item: pytest.Function) -> None:
    """Fail the test with what was found, but for races that are meant."""
    found = [finding_of_race(race) for race in detector.races() if race.benign is None]
    found += [finding_of_order(order) for order in detector.locks.orders()]
    found += [finding_of_deadlock(deadlock) for deadlock in detector.locks.deadlocks()]
    if found:
        text = "\n\n".join(finding_text(each) for each in found)
        count = "1 finding" if len(found) == 1 else f"{len(found)} findings"
        pytest.fail(
            f"{count} in {item.nodeid}\n\n{text}\n\nagain: python -m pytest {item.nodeid!r}",
            pytrace=False,
        )
