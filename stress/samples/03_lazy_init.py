"""A model that is loaded when somebody first asks for it.

Without a lock every thread that comes before the first load has ended loads it again; callers get
different objects. Mended: look, and look again under the lock. The first look without the lock is
correct in CPython, because a reference that is seen leads to an object that is complete.
"""

import threading

from ftstress import together

FOUND_BY = ("races", "schedules")


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
        return self.model

    def predict_once(self):
        if self.model is None:
            with self.lock:
                if self.model is None:
                    self.model = Model()
        return self.model


def racy():
    adapter = Adapter()
    first, second = together(adapter.predict, adapter.predict)
    assert first is second


def mended():
    adapter = Adapter()
    first, second = together(adapter.predict_once, adapter.predict_once)
    assert first is second
