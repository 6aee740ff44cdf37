"""What the programs in this folder share: threads that report how they ended, and a meeting.

A deadlock's programs let each thread come to the point from which none goes on; the others call
`at_worst()` when everything looks as in a deadlock, so that the detectors look just then.
"""

import threading

BOUND_SECONDS = 30.0  # far more than anything here takes


class Meeting:
    """All parties go on together."""

    def __init__(self, parties):
        self._barrier = threading.Barrier(parties)

    def meet(self):
        self._barrier.wait(BOUND_SECONDS)


def run_all(**functions):
    """Run each in a thread of its name; what each returned, or the exception it ended with."""
    outcomes = {}

    def run(name, function):
        try:
            outcomes[name] = function()
        except Exception as error:
            outcomes[name] = error

    threads = [
        threading.Thread(target=run, args=(name, function), name=name, daemon=True)
        for name, function in functions.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_SECONDS)
        assert not thread.is_alive(), f"{thread.name} is still blocked"
    return outcomes
