"""Makes what rewritten code tells of the places at which a schedule can switch.

The sink of `ftstress.events` that stands between instrumented code and the scheduler: each access
is a step before it happens, with its effect for strategies that ask which steps commute. Must never
keep what it is told of.
"""

from typing import Any

from ftstress import control
from ftstress.events import READ, WRITE, Place, Sink
from ftstress.places import CodeMap


class Switch(Sink):
    """Hands the accesses of one exploration to its runs."""

    stepwise = True

    def __init__(self, codes: CodeMap) -> None:
        self._codes = codes
        self._by_line = codes.granularity == "line"

    def access(self, kind: int, target: Any, field: Any, site: Place) -> None:
        task = control.me()
        if task is None:
            return
        run = control.run()
        effect = None
        if run.records:
            effect = run.names.access(kind, target, field, site.space)
        place = self._codes.of_event(kind, site)
        if place is not None and not (self._by_line and self._same_line(task, site, kind)):
            run.step(task, place, effect)
        elif effect is not None:
            run.touch(effect)

    @staticmethod
    def _same_line(task: Any, site: Place, kind: int) -> bool:
        line, first = task.line
        if line == site.where and first != (site, kind):
            return True
        task.line = (site.where, (site, kind))  # coming to it again is another turn
        return False

    def asks(self, channel: Any, what: str) -> None:
        control.point(what, channel, READ)

    def alters(self, channel: Any) -> None:
        control.touch(channel, WRITE)

    def send(self, channel: Any, what: str) -> None:
        control.touch(channel, WRITE)

    def receive(self, channel: Any, what: str) -> None:
        control.touch(channel, READ)
