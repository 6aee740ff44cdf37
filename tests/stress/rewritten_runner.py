"""Runs CPython's own tests of some modules against the same modules rewritten, in its own process.

    python rewritten_runner.py FOLDER plain|rewritten MODULE TEST...

`FOLDER` holds the package `test` of the interpreter's source. A sink listens, so that every event
is really told; how many were is printed at the end.
"""

import json
import sys
import unittest

from ftstress import events, importing


class Counter(events.Sink):
    def __init__(self):
        self.count = 0

    def access(self, kind, target, field, site):
        self.count += 1


def main(folder, mode, modules, *names):
    sys.path.insert(0, folder)
    counter = Counter()
    wanted = modules.split(",")
    if mode == "rewritten":
        # Some are in use already; the tests get new ones.
        for name in list(sys.modules):
            if name.partition(".")[0] in wanted:
                del sys.modules[name]
        importing.instrument(wanted)
        events.subscribe(counter)
    suite = unittest.defaultTestLoader.loadTestsFromNames([f"test.{name}" for name in names])
    result = unittest.TextTestRunner(verbosity=0).run(suite)
    for case, _ in (*result.failures, *result.errors):
        print("failed:", case.id())
    print(json.dumps({"events": counter.count, "run": result.testsRun}))
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
