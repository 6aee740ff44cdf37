"""Litmus tests whose outcome does not depend on luck: actors meet where it matters."""

from threading import Barrier, Event, Lock

from ftstress.litmus import OTHERS, Litmus, acceptable, actor, arbiter, forbidden, interesting


class Lost(Litmus):
    """Both read before either writes."""

    outcomes = (acceptable(2, "both were counted"), forbidden(1, "one was lost"))

    def __init__(self):
        self.count = 0
        self.between = Barrier(2)

    def add(self):
        seen = self.count
        self.between.wait()
        self.count = seen + 1

    @actor
    def first(self):
        self.add()

    @actor
    def second(self):
        self.add()

    @arbiter
    def total(self):
        return self.count


class Kept(Lost):
    """They meet, and then count under a lock."""

    def __init__(self):
        super().__init__()
        self.lock = Lock()

    def add(self):
        self.between.wait()
        with self.lock:
            self.count += 1


class Counted(Litmus):
    """Nothing but a race, for schedules."""

    outcomes = Lost.outcomes

    def __init__(self):
        self.count = 0

    @actor
    def first(self):
        self.count += 1

    @actor
    def second(self):
        self.count += 1

    @arbiter
    def total(self):
        return self.count


class Answers(Litmus):
    """What actors return is the outcome."""

    outcomes = (
        interesting(OTHERS, "neither"),
        acceptable((1, KeyError), "as written"),
    )

    @actor
    def one(self):
        return 1

    @actor
    def other(self):
        raise KeyError(1)


class Stuck(Litmus):
    """One actor never returns."""

    outcomes = (acceptable((None, None), "both ended"),)
    over = Event()

    @actor
    def waits(self):
        self.over.wait()

    @actor
    def ends(self):
        pass
