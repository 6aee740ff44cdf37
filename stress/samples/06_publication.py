"""One thread fills in a result and raises a flag; another waits for the flag.

It works by accident: nothing but the order of two lines keeps the reader from a result that is only
half there, the waiting burns a core, and whoever swaps the lines breaks it. Mended: an `Event`,
which orders what was done before `set()` before what comes after `wait()`.
"""

import threading
import time

from ftstress import together

FOUND_BY = ("races",)


class Box:
    def __init__(self):
        self.ready = False
        self.value = None
        self.event = threading.Event()

    def fill(self):
        self.value = 42
        self.ready = True

    def read(self):
        while not self.ready:
            time.sleep(0)
        return self.value

    def fill_and_tell(self):
        self.value = 42
        self.event.set()

    def wait_and_read(self):
        self.event.wait()
        return self.value


def racy():
    box = Box()
    together(box.fill, box.read)


def mended():
    box = Box()
    together(box.fill_and_tell, box.wait_and_read)
