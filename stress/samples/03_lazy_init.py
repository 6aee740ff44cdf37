"""A model that is loaded when somebody first asks for it.

Without a lock every thread that comes before the first load has ended loads it again; callers get
different objects. Mended: look, and look again under the lock. The first look without the lock is
correct in CPython, because a reference that is seen leads to an object that is complete.
"""

import threading


class Model:
    def __init__(self):
        self.weights = [0.5] * 4


class Adapter:
    def __init__(self):
        self.model = None
        self.lock = threading.Lock()

    def predict(self):
        if self.model is None:
            self.model = Model()
        return sum(self.model.weights)

    def predict_once(self):
        if self.model is None:
            with self.lock:
                if self.model is None:
                    self.model = Model()
        return sum(self.model.weights)


def both(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def racy():
    both(Adapter().predict)


def mended():
    both(Adapter().predict_once)
