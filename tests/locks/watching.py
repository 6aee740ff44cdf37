"""Looking for deadlocks in tests: at moments of their own, with a clock put forward by hand."""

import importlib
from time import perf_counter_ns

from locks.races import started, wait_until

import ftlocks
from ftlocks import DeadlockError, watchdog

NEVER = 3600.0  # seconds between looks: the tests look themselves


def program(name):
    return importlib.import_module(f"locks.deadlocks.{name}").main


class Time:
    """The watchdog's clock: the real one, put forward by hand."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return perf_counter_ns() + int(self.ahead * 1e9)


def look_until_found(dog):
    """The findings of the first look that finds something."""
    found = []
    wait_until(lambda: found.extend(dog.check()) or found)
    return found


def run_to_deadlock(name, **options):
    """A program's deadlock: the findings and, once it is broken, how its threads ended."""
    with watchdog(interval=NEVER, break_deadlocks=True, **options) as dog:
        run = started(program(name))
        with run:
            found = look_until_found(dog)
            outcomes = run.join()
        assert dog.check() == []
    return found, outcomes


def end_wait(name):
    """Interrupt a blocked thread, as breaking a deadlock does."""
    for state in ftlocks.states():
        for waiter in state.waiters:
            if waiter.thread.name == name:
                waiter.interrupt(DeadlockError("ended by the test"))
