"""A worker is woken by an event, takes all items, and then clears the event.

An item that comes between the taking and the clearing has its signal wiped out: the worker sleeps,
and the item stays. Mended: clear first, then take; a signal too many costs one idle round.
"""

from collections import deque
from threading import Event

from ftstress import together

FOUND_BY = ("schedules",)


class Inbox:
    def __init__(self):
        self.items = deque()
        self.signal = Event()

    def put(self, item):
        self.items.append(item)
        self.signal.set()

    def take_all(self, taken):
        try:
            while True:
                taken.append(self.items.popleft())
        except IndexError:
            pass

    def take_two(self):
        taken = []
        while len(taken) < 2:
            assert self.signal.wait(timeout=5), "asleep, with an item to do"
            self.take_all(taken)
            self.signal.clear()

    def take_two_right(self):
        taken = []
        while len(taken) < 2:
            assert self.signal.wait(timeout=5), "asleep, with an item to do"
            self.signal.clear()
            self.take_all(taken)


def racy():
    inbox = Inbox()
    together(inbox.take_two, lambda: (inbox.put(1), inbox.put(2)))


def mended():
    inbox = Inbox()
    together(inbox.take_two_right, lambda: (inbox.put(1), inbox.put(2)))
