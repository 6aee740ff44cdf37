"""A worker is woken by an event, takes all items, and then clears the event.

An item that comes between the taking and the clearing has its signal wiped out: the worker sleeps,
and the item stays. Mended: clear first, then take; a signal too many costs one idle round.
"""

from threading import Event

from ftstress import together

FOUND_BY = ("schedules",)


class Inbox:
    def __init__(self):
        self.items = []
        self.signal = Event()

    def put(self, item):
        self.items.append(item)
        self.signal.set()

    def take_two(self):
        taken = []
        while len(taken) < 2:
            assert self.signal.wait(timeout=5), f"asleep with {self.items} to do"
            while self.items:
                taken.append(self.items.pop())
            self.signal.clear()

    def take_two_right(self):
        taken = []
        while len(taken) < 2:
            assert self.signal.wait(timeout=5), f"asleep with {self.items} to do"
            self.signal.clear()
            while self.items:
                taken.append(self.items.pop())


def racy():
    inbox = Inbox()
    together(inbox.take_two, lambda: (inbox.put(1), inbox.put(2)))


def mended():
    inbox = Inbox()
    together(inbox.take_two_right, lambda: (inbox.put(1), inbox.put(2)))
