"""Tests under explored schedules, their files, and the command that runs a failing one again."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from ftstress.exploration import Exploration, explore, load, replay
from ftstress.plugin.isolated import Isolated
from ftstress.plugin.marker import Options
from ftstress.schedule import ReplayDivergedError

_UNSAFE: Final = re.compile(r"[^\w.\-]+")


class Body:
    """A test as `explore` takes it: with fixtures of its own, set up and torn down in each run.

    An object and no function, so that a schedule has steps of the test and none of this.
    """

    def __init__(self, item: pytest.Function) -> None:
        self.__wrapped__ = item.function
        self.__module__ = item.function.__module__
        self.__name__ = item.name
        self.__qualname__ = item.function.__qualname__
        self._item = item

    def __call__(self) -> None:
        """One run."""
        item = Isolated(self._item)
        try:
            item.set_up()
            item.call()
        finally:
            item.tear_down()


class Explorer:
    """The `explore_schedules` fixture: `explorer(body, ...)` explores schedules of a function.

    Takes what `ftstress.explore` takes. Fails the test with the schedule as a table, saves its
    file and tells the command that runs it again. Returns the `Exploration`.
    """

    def __init__(
        self,
        item: pytest.Item,
        tell: Callable[[str], None],
        seed: int,
        folder: Path,
        replayed: Path | None,
    ) -> None:
        self._item = item
        self._tell = tell
        self._seed = seed
        self._folder = folder
        self._replayed = replayed

    def __call__(self, body: Callable[[], object], **options: Any) -> Exploration | None:
        """None where ``--ftstress-replay`` ran one schedule again, and it passed.

        Raises pytest.fail.Exception where a schedule fails.
        """
        if self._replayed is not None:
            self._again(body, self._replayed)
            return None
        options.setdefault("seed", self._seed)
        found = explore(body, raises=False, target=self._item.nodeid, **options)
        self._tell(
            f"{found.runs} schedules, {found.distinct} distinct, {found.strategy}"
            + (", all within the bounds" if found.is_complete else "")
        )
        if found.failure is not None:
            path = self._save(found.failure.schedule.to_json())
            command = f"python -m pytest {shlex.quote(self._item.nodeid)}"
            pytest.fail(
                f"{found.failure}\nagain: {command} --ftstress-replay {shlex.quote(path)}",
                pytrace=False,
            )
        return found

    def _save(self, text: str) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{_UNSAFE.sub('-', self._item.nodeid).strip('-')}.json"
        path.write_text(text, encoding="utf-8")
        here = Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)

    def _again(self, body: Callable[[], object], path: Path) -> None:
        schedule = load(path)
        try:
            found = replay(path, body)
        except ReplayDivergedError as error:
            pytest.fail(str(error), pytrace=False)
        if found.failure is not None:
            trace = f"\n{found.failure.trace}" if found.failure.trace else ""
            same = "as saved" if found.is_same else f"not as saved, which was {schedule.failure}"
            pytest.fail(f"{found.failure} ({same})\n{found.table}{trace}", pytrace=False)
        self._tell(f"the schedule of {path} passes")


def explored(item: pytest.Function, options: Options, explorer: Explorer) -> None:
    """Explore the schedules of a marked test."""
    given: dict[str, Any] = {} if options.seed is None else {"seed": options.seed}
    explorer(
        Body(item),
        iterations=options.schedules,
        strategy=options.strategy,
        modules=options.modules,
        granularity=options.granularity,
        timeouts=options.timeouts,
        **given,
    )
