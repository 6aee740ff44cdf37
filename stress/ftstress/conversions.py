"""What the detectors return, as findings and reports.

Must never decide anything a detector has not decided; `findings` must not know of the detectors,
nor they of the formats.
"""

from ftlocks._sites import frames
from ftlocks.order import OrderReport
from ftstress.detection import Outcome
from ftstress.exploration import NOT_PROVED, Exploration, ScheduleFailure
from ftstress.findings import Explored, Finding, Kind, Location, Report, Side
from ftstress.frames import lines_of
from ftstress.lock_order import Deadlock
from ftstress.races import Race, Violation
from ftstress.races import Side as Access

_KINDS: dict[str, Kind] = {"deadlock": "deadlock", "livelock": "livelock"}


def finding_of_race(race: Race, benign: str = "", schedule: str = "") -> Finding:
    """A race or a violation of atomicity.

    Args:
        benign: the reason somebody has given for it.
        schedule: a saved one in which it is seen again, where it was seen in a schedule.
    """
    accesses = [race.first, race.second]
    message = (
        f"{race.first.thread!r} and {race.second.thread!r} access {race.variable}, "
        "and nothing orders them."
    )
    if isinstance(race, Violation):
        accesses.append(race.writer)
        message = (
            f"{race.first.thread!r} looks at {race.variable} and changes it under two holds of a "
            f"lock; {race.writer.thread!r} can come in between."
        )
    return Finding(
        kind=race.kind,
        subject=race.variable,
        message=message,
        sides=tuple(_side(race, access) for access in accesses),
        explanation=race.why,
        mend=race.advice,
        count=race.count,
        order=race.last_order,
        text=race.text(),
        benign=benign,
        schedule=schedule,
    )


def _side(race: Race, access: Access) -> Side:
    (innermost, *outer) = access.frames
    file, line, function = innermost
    origin = lines_of(access.origin)[:1]
    return Side(
        access.thread,
        f"{access.verb} it",
        (
            Location.at(file, line, function, access.site.column),
            *(Location.at(*frame) for frame in outer),
        ),
        access.held,
        access.parent,
        Location.at(*origin[0]) if origin else None,
    )


def finding_of_order(report: OrderReport) -> Finding:
    """Locks in contradictory orders."""
    return Finding(
        kind="lock-order",
        subject=", ".join(report.locks),
        message=report.summary,
        sides=tuple(
            Side(
                step.thread,
                f"wants {step.wanted} while it has {step.held}",
                tuple(
                    Location.at(frame.file, frame.line, frame.function)
                    for frame in frames(step.wanted_stack)
                ),
                (step.held,),
            )
            for step in report.steps
        ),
        explanation="Nothing is blocked yet, but threads that do these at the same time wait for "
        "each other for ever.",
        mend="Take the locks in one order everywhere, or hold one lock around both.",
        text=str(report),
    )


def finding_of_deadlock(deadlock: Deadlock) -> Finding:
    """Threads that waited for each other."""
    return Finding(
        kind="deadlock",
        subject=", ".join(dict.fromkeys(waiting.lock for waiting in deadlock.ring)),
        message="Each thread waits for a lock that the next one has.",
        sides=tuple(
            Side(
                waiting.thread,
                f"waits for the {waiting.lock}, which {waiting.holder!r} has",
                tuple(Location.at(*frame) for frame in lines_of(waiting.stack)),
            )
            for waiting in deadlock.ring
        ),
        explanation="None of them can go on; the last one was given a DeadlockError, so that the "
        "run came to its end.",
        mend="Take the locks in one order everywhere, or hold one lock around both.",
        text=deadlock.text,
    )


def report_of_outcome(title: str, outcome: Outcome, seconds: float, not_proved: str) -> Report:
    """A run with the race detector on."""
    return Report(
        title,
        (
            *map(finding_of_deadlock, outcome.deadlocks),
            *map(finding_of_order, outcome.orders),
            *(finding_of_race(race) for race in outcome.races),
        ),
        (
            Explored(
                title,
                "happens-before race detection",
                seconds,
                operations=outcome.accesses,
                unit="accesses",
                threads=outcome.threads,
                modules=tuple(outcome.instrumented),
            ),
        ),
        (not_proved,),
        tuple(outcome.doubts),
        tuple(finding_of_race(race, why) for race, why in outcome.benign),
    )


def finding_of_failure(failed: ScheduleFailure, target: str, replay: str = "") -> Finding:
    """A schedule in which a test fails. `replay`: the command that runs it again."""
    failure = failed.failure
    return Finding(
        kind=_KINDS.get(failure.kind, "schedule-failure"),
        subject=target,
        message=str(failure),
        sides=_sides(failed),
        explanation="The test fails when its threads take turns in this order"
        + (
            "."
            if failed.is_reproducible
            else "; the same order did not fail again: it depends on "
            "something else too (the time of day, random numbers, the order of sets)."
        ),
        text=str(failed),
        table=failed.steps,
        replay=replay,
        schedule=failed.schedule.to_json(),
    )


def _sides(failed: ScheduleFailure) -> tuple[Side, ...]:
    """What each waits for at the end, of a deadlock; else where other threads come in between."""
    steps = failed.steps
    located = [row for row in steps.rows if row.location is not None]
    last = list({row.column: row for row in located}.values())
    if failed.failure.kind == "deadlock":
        rows = [row for row in last if any(note.startswith("waits for") for note in row.notes)]
    else:
        rows = [row for row in located if row.switches]
    return tuple(
        Side(
            steps.threads[row.column],
            "; ".join(row.notes)
            or ("another thread goes on here" if row.switches else "ends here"),
            (row.location,) if row.location is not None else (),
        )
        for row in rows or last
    )


def report_of_exploration(exploration: Exploration, replay: str = "") -> Report:
    """What `explore()` did. `replay`: the command that runs a failing schedule again."""
    failed = exploration.failure
    seed = exploration.seed
    return Report(
        exploration.target,
        (
            *(() if failed is None else (finding_of_failure(failed, exploration.target, replay),)),
            *(
                finding_of_race(seen.race, schedule=seen.schedule.to_json())
                for seen in exploration.races
            ),
        ),
        (
            Explored(
                exploration.target,
                exploration.strategy,
                exploration.seconds,
                runs=exploration.runs,
                unit="steps",
                distinct=exploration.distinct,
                threads=exploration.threads,
                seeds=() if seed is None else (seed,),
                is_complete=exploration.is_complete,
            ),
        ),
        (NOT_PROVED,),
    )
