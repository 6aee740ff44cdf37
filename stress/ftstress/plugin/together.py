"""Bodies of tests at the same time: one on several threads, or different ones beside each other.

Fixtures are set up and torn down before and after, on the thread of the test run.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Final

import pytest

from ftstress.parallel import run_parallel
from ftstress.plugin.isolated import Isolated, why_alone
from ftstress.plugin.marker import DEFAULT_ROUNDS, DEFAULT_THREADS, Options

# Rounds between two looks at the clock.
_BATCH: Final = 10
# Seconds for a batch, above which its threads count as stuck.
PATIENCE: Final = 60.0


class _Body:
    """A function that remembers how it failed, and in which round."""

    def __init__(self, function: Callable[[], object], name: str) -> None:
        self.__qualname__ = name
        self._function = function
        self.rounds = 0
        self.error: BaseException | None = None

    def __call__(self) -> None:
        self.rounds += 1
        try:
            self._function()
        except BaseException as error:
            self.error = error
            raise


def repeat(item: pytest.Function, options: Options, seconds: float | None) -> str:
    """The test's body on several threads at once. Returns what was done, in a line.

    Args:
        seconds: how long; None: as the marker says.

    Raises:
        what the body raised first, with a note of where; TimeoutError, where it does not end.
    """
    count = options.threads or DEFAULT_THREADS
    if options.fixtures == "thread":
        items = [Isolated(item) for _ in range(count)]
        functions: Sequence[Callable[[], object]] = [each.call for each in items]
    else:
        items = []
        arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
        functions = [lambda: item.obj(**arguments)] * count
    bodies = [_Body(function, f"{item.name}") for function in functions]
    try:
        for each in items:
            each.set_up()
        wanted = seconds if seconds is not None else options.time
        passed = _run(bodies, options.rounds, wanted)
    finally:
        _tear_down(items)
    rounds = bodies[0].rounds
    return f"{count} threads, {rounds} rounds, {count * rounds / passed:,.0f} calls/s"


def _run(bodies: list[_Body], rounds: int | None, seconds: float | None) -> float:
    """Seconds it took."""
    left = None if seconds is not None else (rounds or DEFAULT_ROUNDS)
    started = time.perf_counter()
    try:
        while True:
            batch = _BATCH if left is None else min(left, _BATCH)
            run_parallel(*bodies, rounds=batch, timeout=PATIENCE)
            passed = time.perf_counter() - started
            if left is not None:
                left -= batch
            if left == 0 or (seconds is not None and passed >= seconds):
                return passed
    except BaseExceptionGroup:
        failed = [body for body in bodies if body.error is not None]
        if not failed:
            raise
        first = min(failed, key=lambda body: body.rounds)
        assert first.error is not None
        first.error.add_note(
            f"in round {first.rounds} of {len(bodies)} threads at once; "
            f"{len(failed)} of them failed"
        )
        raise first.error from None


def _tear_down(items: Sequence[Isolated]) -> None:
    errors = []
    for each in reversed(items):
        try:
            each.tear_down()
        except Exception as error:  # noqa: BLE001  # the others must be torn down, too
            errors.append(error)
    if errors:
        raise errors[0]


def companions(item: pytest.Function, count: int, seed: int) -> list[pytest.Function]:
    """Tests to run beside `item`, the same for the same selection and seed."""
    others = [
        other
        for other in item.session.items
        if other is not item and isinstance(other, pytest.Function) and not why_alone(other)
    ]
    others = [other for other in others if not _is_alone(other)]
    drawn = random.Random(f"{seed}/{item.nodeid}")
    return drawn.sample(others, min(count, len(others)))


def _is_alone(item: pytest.Function) -> bool:
    marker = item.get_closest_marker("ftstress")
    return marker is not None and bool(
        marker.kwargs.get("alone") or marker.kwargs.get("schedules") or marker.kwargs.get("races")
    )


def beside(
    item: pytest.Function, others: Sequence[pytest.Function], rounds: int, command: str
) -> str:
    """`item` and other tests at once, each with fixtures of its own, anew in each round.

    Raises:
        what `item` raised, with a note of its companions; pytest.fail.Exception, where a
        companion failed.
    """
    started = time.perf_counter()
    for round_number in range(1, rounds + 1):
        items = [Isolated(each) for each in (item, *others)]
        try:
            for each in items:
                each.set_up()
            bodies = [_Body(each.call, each.name) for each in items]
            try:
                run_parallel(*bodies, timeout=PATIENCE)
            except BaseExceptionGroup:
                _blame(bodies, round_number, command)
        finally:
            _tear_down(items)
    passed = time.perf_counter() - started
    names = ", ".join(other.nodeid for other in others)
    return f"{rounds} rounds beside {names}, {rounds / passed:,.0f}/s"


def _blame(bodies: list[_Body], round_number: int, command: str) -> None:
    """Raise what says most; nothing, where a companion only skipped."""
    own, *others = bodies
    told = (
        f"in round {round_number} beside {', '.join(o.__qualname__ for o in others)}\n"
        f"again: {command}"
    )
    if own.error is not None:
        own.error.add_note(told)
        raise own.error from None
    for other in others:
        if other.error is not None and not isinstance(other.error, pytest.skip.Exception):
            other.error.add_note(told)
            raise other.error from None
