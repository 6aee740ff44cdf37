"""Two workers wait for an item with `if`; one item comes, and both are woken.

Being woken says that something has changed, not that it is still so: the first one to have the lock
takes the item, and the second one finds nothing. Mended: `while`, which looks again.
"""

from threading import Condition

from ftstress import together

FOUND_BY = ("schedules",)


class Queue:
    def __init__(self):
        self.items = []
        self.changed = Condition()

    def put(self, *items):
        with self.changed:
            self.items.extend(items)
            self.changed.notify_all()

    def get(self):
        with self.changed:
            if not self.items:
                self.changed.wait()
            return self.items.pop()

    def get_while(self):
        with self.changed:
            while not self.items:
                self.changed.wait()
            return self.items.pop()


def racy():
    queue = Queue()
    together(queue.get, queue.get, lambda: (queue.put(1), queue.put(2)))


def mended():
    queue = Queue()
    together(queue.get_while, queue.get_while, lambda: (queue.put(1), queue.put(2)))
