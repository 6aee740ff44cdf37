"""One thread sorts a list in place while another adds to it.

While `list.sort()` runs, the list is empty: what another thread appends then is lost, and the sort
ends in `ValueError: list modified during sort`. Mended: sort a copy, taken under the writers' lock.
"""

from threading import Lock

from ftstress import together

FOUND_BY = ("races", "schedules")


class Scores:
    def __init__(self):
        self.scores = [3, 1, 2]
        self.lock = Lock()

    @staticmethod
    def order(score):
        return Weights.of[score]

    def add(self):
        self.scores.append(4)

    def best(self):
        self.scores.sort(key=self.order)
        return self.scores[-1]

    def add_locked(self):
        with self.lock:
            self.scores.append(4)

    def best_of_copy(self):
        with self.lock:
            scores = list(self.scores)
        return max(scores, key=self.order)


class Weights:
    of = {1: 1, 2: 2, 3: 3, 4: 4}


def racy():
    scores = Scores()
    together(scores.add, scores.best)
    assert len(scores.scores) == 4


def mended():
    scores = Scores()
    together(scores.add_locked, scores.best_of_copy)
    assert len(scores.scores) == 4
