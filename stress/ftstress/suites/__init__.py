"""Ready-made tests of the primitives and rooms of this distribution, for every way of running.

A suite is a module: `MODULES` names the modules under test, and each public function in it is a
scenario, which makes its own state, starts its threads, joins them and asserts. So the same
scenario runs truly in parallel, under the race detector and under explored schedules
(`ftstress.suite_runs`). Must never import a suite before it is run.
"""

from typing import Final

SUITES: Final[dict[str, str]] = {
    "lock": "ftstress.suites.lock",
    "rwlock": "ftstress.suites.rwlock",
    "semaphore": "ftstress.suites.semaphore",
    "condition": "ftstress.suites.condition",
    "event": "ftstress.suites.event",
    "barrier": "ftstress.suites.barrier",
    "once": "ftstress.suites.once",
    "channel": "ftstress.suites.channel",
    "keyed": "ftstress.suites.keyed",
    "mapping": "ftstress.suites.mapping",
    "cache": "ftstress.suites.cache",
    "atomic": "ftstress.suites.atomic",
    "counter": "ftstress.suites.counter",
    "sessions": "ftbridge.hammer.suites.sessions",
    "registry": "ftbridge.hammer.suites.registry",
    "pool": "ftbridge.hammer.suites.pool",
    "relay": "ftbridge.hammer.suites.relay",
    "adapters": "ftbridge.hammer.suites.adapters",
    "single-flight": "ftbridge.hammer.suites.single_flight",
    "gate": "ftbridge.hammer.suites.gate",
    "life": "ftbridge.hammer.suites.life",
}
"""Name on the command line -> module."""
