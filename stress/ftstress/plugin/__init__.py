"""The pytest plugin: hooks and options (docs/stress.md). What they do is in the other modules.

It is loaded in every test run where ftstress is installed, so it must never import anything but
pytest before a test asks for it, replace anything, or write a line that nobody asked for.
"""

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from ftstress.plugin.marker import Options
    from ftstress.plugin.scheduled import Explorer

_PROPERTY: Final = "ftstress"
_GIL_ON: Final = (
    "passed, but the GIL was on, so that no two threads ran at the same moment: no pass"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("ftstress", "concurrency (ftstress)")
    group.addoption(
        "--ftstress-against",
        metavar="N",
        type=int,
        nargs="?",
        const=1,
        default=0,
        help="run each test beside N others (default: 1), on a thread each, with fixtures each",
    )
    group.addoption(
        "--ftstress-rounds",
        metavar="N",
        type=int,
        default=1,
        help="with --ftstress-against: how often each test meets its companions (default: 1)",
    )
    group.addoption(
        "--ftstress-time",
        metavar="SECONDS",
        type=float,
        help="run each test marked to run on several threads for so long",
    )
    group.addoption(
        "--ftstress-seed",
        metavar="N",
        type=int,
        default=0,
        help="of schedules and of which test meets which (default: 0)",
    )
    group.addoption(
        "--ftstress-dir",
        metavar="FOLDER",
        default=".ftstress",
        help="where failing schedules are saved, from the root folder (default: .ftstress)",
    )
    group.addoption(
        "--ftstress-replay",
        metavar="FILE",
        type=Path,
        help="run explored tests under this saved schedule only",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "ftstress(threads, rounds, time, fixtures, schedules, strategy, seed, modules, "
        "granularity, timeouts, races, instrument, alone): run the test on several threads at "
        "once, under explored schedules, or with race detection (docs/stress.md)",
    )
    for option in ("against", "rounds"):
        if config.getoption(f"--ftstress-{option}") < 0:
            raise pytest.UsageError(f"--ftstress-{option} must not be negative")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run what is marked, or everything with ``--ftstress-against``; leave the rest alone."""
    marker = pyfuncitem.get_closest_marker("ftstress")
    against = pyfuncitem.config.getoption("--ftstress-against")
    if marker is None and not against:
        return None
    options = _options(marker)
    if options.schedules is not None:
        _explored(pyfuncitem, options)
    elif options.races:
        _racing(pyfuncitem, options)
    elif marker is not None and options.is_parallel:
        _repeated(pyfuncitem, options)
    elif against and not options.alone:
        return _beside(pyfuncitem, against)
    else:
        return None
    return True


def _options(marker: pytest.Mark | None) -> "Options":
    from ftstress.plugin.marker import MarkerError, Options

    try:
        return Options() if marker is None else Options.of(marker.args, marker.kwargs)
    except MarkerError as error:
        pytest.fail(str(error), pytrace=False)


def _explored(item: pytest.Function, options: "Options") -> None:
    from ftstress.plugin.scheduled import explored

    explored(item, options, _explorer(item))


def _explorer(item: pytest.Item) -> "Explorer":
    from ftstress.plugin.scheduled import Explorer

    config = item.config
    folder = config.rootpath / config.getoption("--ftstress-dir")
    return Explorer(
        item,
        partial(_told, item),
        config.getoption("--ftstress-seed"),
        folder,
        config.getoption("--ftstress-replay"),
    )


def _racing(item: pytest.Function, options: "Options") -> None:
    from ftstress.parallel import run_parallel
    from ftstress.plugin.racing import fail_for, looking

    with looking(item, options.instrument) as (detector, body):
        try:
            if options.threads is None:
                body()
            else:
                run_parallel(*[body] * options.threads, rounds=options.rounds or 1)
        except Exception:
            fail_for(detector, item)  # says more than what came of it
            raise
    fail_for(detector, item)
    _told(item, f"{detector.accesses:,} accesses, nothing found")
    _refuse_with_gil()


def _repeated(item: pytest.Function, options: "Options") -> None:
    from ftstress.plugin.together import repeat

    _told(item, repeat(item, options, item.config.getoption("--ftstress-time")))
    _refuse_with_gil()


def _beside(item: pytest.Function, count: int) -> bool | None:
    from ftstress.plugin.isolated import why_alone
    from ftstress.plugin.together import beside, companions

    reason = why_alone(item)
    config = item.config
    seed = config.getoption("--ftstress-seed")
    others = [] if reason else companions(item, count, seed)
    if not others:
        _told(item, f"ran alone: {reason or 'there is no other test to run beside it'}")
        return None
    names = " ".join(shlex.quote(each.nodeid) for each in (item, *others))
    rounds = max(1, config.getoption("--ftstress-rounds"))
    command = (
        f"python -m pytest {names} --ftstress-against {len(others)} --ftstress-rounds {rounds}"
    )
    _told(item, beside(item, others, rounds, command))
    _refuse_with_gil()
    return True


def _refuse_with_gil() -> None:
    """What ran without a second thread at the same moment has shown nothing."""
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip(_GIL_ON)


def _told(item: pytest.Item, text: str) -> None:
    item.user_properties.append((_PROPERTY, text))


@pytest.fixture
def explore_schedules(request: pytest.FixtureRequest) -> Any:
    """Explores schedules of a function: ``explore_schedules(body, iterations=500)``.

    Takes what `ftstress.explore` takes, returns its `Exploration`. Where a schedule fails, the
    test fails with the schedule as a table, its file is saved, and the command that runs it again
    is told.
    """
    return _explorer(request.node)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What was explored, where anything was."""
    lines = [
        f"{report.nodeid}: {text}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, text in getattr(report, "user_properties", ())
        if name == _PROPERTY
    ]
    if lines:
        terminalreporter.section("ftstress")
        for line in lines:
            terminalreporter.line(line)
