"""A thread waits for a message without looking whether it is there already.

`notify()` wakes who waits now. If the message came first, nobody did, and the waiter sleeps for
ever. Mended: `wait_for` looks before it sleeps, under the same lock.
"""

from threading import Condition

from ftstress import together

FOUND_BY = ("schedules",)


class Mailbox:
    def __init__(self):
        self.message = None
        self.changed = Condition()

    def put(self):
        with self.changed:
            self.message = "hello"
            self.changed.notify()

    def take(self):
        with self.changed:
            self.changed.wait()
            return self.message

    def take_if_there(self):
        with self.changed:
            self.changed.wait_for(lambda: self.message is not None)
            return self.message


def racy():
    box = Mailbox()
    together(box.put, box.take)


def mended():
    box = Mailbox()
    together(box.put, box.take_if_there)
