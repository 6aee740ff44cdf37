"""A report with one of everything."""

import dataclasses

from ftstress import explore
from ftstress.conversions import report_of_exploration
from ftstress.findings import (
    Explored,
    Finding,
    Location,
    Measurement,
    OutcomeRow,
    OutcomeTable,
    Report,
    Side,
)
from stress import classics

NASTY = "</script><img src=x onerror=alert(1)>"


def place(line, function="places"):
    return Location.at(__file__, line, function, 4)


def race(**changes):
    started = place(7, "test")
    fields = {
        "kind": "data-race",
        "subject": "attribute 'count' of a Box",
        "message": "'writer' and 'reader' access it, and nothing orders them.",
        "sides": (
            Side("writer", "writes it", (place(10), place(11, "outer")), (), "main", started),
            Side("reader", "reads it", (place(13),), ("Lock made at app.py:3",), "main", started),
        ),
        "explanation": "A lock is held on one side only.",
        "mend": "Hold the lock on both sides.",
        "order": "none",
        "count": 3,
    }
    return Finding(**{**fields, **changes})


def schedule():
    found = explore(classics.abba, iterations=200, raises=False)
    return report_of_exploration(found, "python -m ftstress replay abba.json").findings[0]


def full():
    """A report with a race, a deadlock, a benign race, a doubt, outcomes and measurements."""
    forbidden = Finding("forbidden-outcome", NASTY, f"came 3 times \x00 {NASTY}", seed=7)
    return Report(
        f"suite {NASTY}",
        (race(), schedule(), forbidden),
        (
            Explored("app", "happens-before", 1.5, operations=100, unit="accesses", threads=2),
            Explored("app:test", "PCT", 0.5, runs=200, distinct=150, seeds=(1, 2), threads=3),
        ),
        ("It says nothing about code that did not run.", "Nor about schedules that were not run."),
        ("the GIL was on",),
        (race(subject="hits", benign="an estimate"),),
        (
            OutcomeTable(
                "store and load",
                (
                    OutcomeRow("1, 1", "acceptable", "both saw the other", 99_000, 100_000),
                    OutcomeRow("0, 0", "forbidden", "neither saw the other", 1_000, 0),
                ),
            ),
        ),
        (
            Measurement(
                "count", "free-threaded, 2 threads", False, 2, 200.0, 190.0, 210.0, "ops/s"
            ),
            Measurement("count", "with GIL, 2 threads", True, 2, 100.0, 90.0, 110.0, "ops/s"),
        ),
    )


def clean():
    """A report of a pass."""
    return dataclasses.replace(full(), findings=(), benign=(), doubts=(), outcomes=(), title="app")
