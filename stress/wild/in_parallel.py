"""How often a program of this folder fails when nothing controls its threads.

``python stress/wild/in_parallel.py 3 stress/wild/08_limits.py`` runs it for three seconds, its two
threads let go at once by a spinning barrier, and prints failures and runs.
"""

import importlib.util
import sys
import threading
import time
from pathlib import Path

from ftlocks import SpinBarrier


class Together(threading.Thread):
    """Threads that begin in pairs."""

    waiting = None

    def __init__(self, *arguments, **words):
        super().__init__(*arguments, **words)
        if Together.waiting is None:
            self.barrier = Together.waiting = SpinBarrier(2)
        else:
            self.barrier, Together.waiting = Together.waiting, None

    def run(self):
        self.barrier.wait()
        super().run()


def count(program, seconds):
    """Runs that failed, and runs."""
    spec = importlib.util.spec_from_file_location(program.stem, program)
    module = importlib.util.module_from_spec(spec)
    sys.modules[program.stem] = module
    spec.loader.exec_module(module)
    module.Thread = Together
    failures = []
    threading.excepthook = lambda arguments: failures.append(arguments.exc_value)
    failed = runs = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        failures.clear()
        try:
            module.TEST()
        except AssertionError as error:
            failures.append(error)
        failed += bool(failures)
        runs += 1
    return failed, runs


if __name__ == "__main__":
    for name in sys.argv[2:]:
        failed, runs = count(Path(name), float(sys.argv[1]))
        print(f"{Path(name).stem:28} {failed} of {runs} runs failed")
