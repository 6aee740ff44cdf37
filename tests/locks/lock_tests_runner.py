"""Runs CPython's own tests of `threading`'s primitives against ftlocks', in a process of its own.

    python lock_tests_runner.py FOLDER bare|observed|program CLASS...

In the mode "program" it is `threading`'s own classes that are tested, on the drop-in locks that
`python -m ftlocks profile` gives to a program, while they are profiled.
`FOLDER` holds the package `test` of the source that this interpreter was built from. Its
`test_threading` takes the classes that it tests from `threading`, so they are put there before it
is imported, and the file runs as it is.
"""

import sys
import threading
import unittest

import ftlocks


class Event(ftlocks.Event):
    """`lock_tests` looks into an event's inner lock, which ours calls by another name."""

    __slots__ = ()

    @property
    def _cond(self):
        return self._mutex


def _replace_all():
    threading.Lock = ftlocks.Lock
    threading.RLock = threading._CRLock = threading._PyRLock = ftlocks.RLock
    threading.Condition = ftlocks.Condition
    threading.Semaphore = ftlocks.Semaphore
    threading.BoundedSemaphore = ftlocks.BoundedSemaphore
    threading.Event = Event
    threading.Barrier = ftlocks.Barrier


def _instrument():
    from ftlocks.profiler.instrument import Instrumentation, ProgramRLock

    Instrumentation().install()
    threading._CRLock = ProgramRLock
    ftlocks.profile(sample=2).start()


# Each with its reason.
LEFT_OUT = {
    "CRLockTests.test_signature": "that RLock deprecates arguments; ours takes a name",
}


def main(folder, mode, *names):
    sys.path.insert(0, folder)
    if mode == "program":
        _instrument()
    else:
        _replace_all()
    from test import test_threading

    ftlocks.observe(mode == "observed")
    loader = unittest.TestLoader()
    suite = unittest.TestSuite()
    for name in names:
        for case in loader.loadTestsFromTestCase(getattr(test_threading, name)):
            if case.id().partition("test_threading.")[2] not in LEFT_OUT:
                suite.addTest(case)
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
