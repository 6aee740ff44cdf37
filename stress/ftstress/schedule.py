"""A schedule as a file: the switches that make a test fail, and nothing else.

Everything a schedule does not mention follows one rule: a thread goes on as long as it can, then
the first one that can, by name. What is left are decisions of the form "when thread A comes to this
place for the n-th time, B goes on". They do not depend on how many steps there are elsewhere, on
line numbers of the file or on byte code. Must never import a strategy.
"""

import json
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, Self

from ftstress.places import Granularity, Place
from ftstress.tasks import Choice, Failure, Step, TaskId, Timeouts, task_id, task_name

FORMAT: Final = 2
_KIND: Final = "ftstress schedule"
_REASONS: Final = ("point", "blocked", "ended")


class ScheduleFormatError(ValueError):
    """A text that is no schedule of a format known here."""


class ReplayDivergedError(RuntimeError):
    """A schedule does not fit the code any more, or the test is not deterministic."""


class Moment(NamedTuple):
    """When a decision is due: `thread` comes to `place` (or blocks there) for the n-th time."""

    thread: TaskId
    place: Place
    visit: int
    reason: str

    def __str__(self) -> str:
        name = task_name(self.thread)
        if self.reason == "ended":
            return f"{name} ends"
        verb = "comes to" if self.reason == "point" else "is blocked at"
        return f"{name} {verb} {self.place}, visit {self.visit}"


class Decision(NamedTuple):
    """At `moment`, `then` goes on. `text` is the source line, for whoever reads the file."""

    moment: Moment
    then: TaskId
    text: str = ""


def moment_of(step: Step) -> Moment:
    """The moment of a step."""
    if step.reason == "ended":
        return Moment(step.task, Place("", "", 0, ""), 0, "ended")
    return Moment(step.task, step.site.place, step.visit, step.reason)


def decisions_in(steps: Iterable[Step]) -> list[Decision]:
    """Where the run did not follow the rule."""
    return [
        Decision(moment_of(step), step.chosen, step.site.text)
        for step in steps
        if step.enabled > 1 and step.chosen != step.default
    ]


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides which places there are, apart from the code."""

    granularity: Granularity = "operation"
    timeouts: Timeouts = "idle"
    max_steps: int = 20_000
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """A failing run, in a form that can be kept.

    Args:
        target: the test, as the command line names it.
        strategy: what found it: name, parameters, and the number of the run.
    """

    target: str
    failure: Failure
    decisions: tuple[Decision, ...]
    settings: Settings
    strategy: dict[str, Any] = field(default_factory=dict)
    found_with: str = ""

    def with_decisions(self, decisions: Sequence[Decision]) -> Self:
        """The same failure by other switches."""
        return replace(self, decisions=tuple(decisions))

    def to_json(self) -> str:
        """The file's text: a decision a line."""
        head = {
            "kind": _KIND,
            "format": FORMAT,
            "target": self.target,
            "failure": {
                "kind": self.failure.kind,
                "type": self.failure.type,
                "thread": self.failure.thread,
                "message": self.failure.message,
            },
            "found_by": self.strategy,
            "found_with": self.found_with,
            "settings": {
                "granularity": self.settings.granularity,
                "timeouts": self.settings.timeouts,
                "max_steps": self.settings.max_steps,
                "modules": list(self.settings.modules),
            },
        }
        lines = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
        decisions = ",\n  ".join(
            json.dumps(_decision_out(decision), ensure_ascii=False) for decision in self.decisions
        )
        body = f"[\n  {decisions}\n ]" if decisions else "[]"
        return f'{lines},\n "decisions": {body}\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> Self:
        """ScheduleFormatError, with what is wrong, for anything but a schedule."""
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise ScheduleFormatError(f"not JSON: {error}") from None
        if not isinstance(raw, dict) or raw.get("kind") != _KIND:
            raise ScheduleFormatError(
                f'not a schedule: it must be an object with "kind": "{_KIND}"'
            )
        if raw.get("format") != FORMAT:
            raise ScheduleFormatError(
                f"schedule of format {raw.get('format')!r}; this version reads format {FORMAT}"
            )
        try:
            failure = raw["failure"]
            settings = raw["settings"]
            return cls(
                target=str(raw["target"]),
                failure=Failure(
                    str(failure["kind"]),
                    str(failure["type"]),
                    str(failure["thread"]),
                    str(failure["message"]),
                ),
                decisions=tuple(_decision_in(item) for item in raw["decisions"]),
                settings=Settings(
                    granularity=_one_of(settings["granularity"], ("line", "operation")),
                    timeouts=_one_of(settings["timeouts"], ("idle", "any")),
                    max_steps=int(settings["max_steps"]),
                    modules=tuple(str(name) for name in settings["modules"]),
                ),
                strategy=dict(raw["found_by"]),
                found_with=str(raw["found_with"]),
            )
        except KeyError as error:
            raise ScheduleFormatError(f"a schedule without {error}") from None
        except (TypeError, ValueError) as error:
            raise ScheduleFormatError(f"a damaged schedule: {error}") from None


def _decision_out(decision: Decision) -> dict[str, Any]:
    moment = decision.moment
    out: dict[str, Any] = {"thread": task_name(moment.thread)}
    if moment.reason == "ended":
        out["ends"] = True
    else:
        out["at"] = list(moment.place)
        out["visit"] = moment.visit
        if moment.reason == "blocked":
            out["blocked"] = True
    out["then"] = task_name(decision.then)
    if decision.text and moment.reason != "ended":
        out["text"] = decision.text
    return out


def _decision_in(raw: Any) -> Decision:
    thread = task_id(raw["thread"])
    then = task_id(raw["then"])
    if "ends" in raw:
        return Decision(Moment(thread, Place("", "", 0, ""), 0, "ended"), then)
    file, function, offset, operation = raw["at"]
    place = Place(str(file), str(function), int(offset), str(operation))
    reason = "blocked" if "blocked" in raw else "point"
    text = str(raw["text"]) if "text" in raw else ""
    return Decision(Moment(thread, place, int(raw["visit"]), reason), then, text)


def _one_of(value: Any, known: tuple[str, ...]) -> Any:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return value


class Follow:
    """Makes a run take a schedule's decisions; `unused` are those whose moment never came."""

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self.unused = {decision.moment: decision for decision in decisions}

    def choose(self, choice: Choice, step: Step) -> TaskId:
        decision = self.unused.pop(moment_of(step), None)
        if decision is not None and decision.then in choice.enabled:
            return decision.then
        return choice.default


def interpreter() -> str:
    """The interpreter that runs this, as a schedule remembers it."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return f"{platform.python_implementation()} {platform.python_version()}" + (
        "" if gil else " without GIL"
    )
