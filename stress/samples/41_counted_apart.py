"""A queue that keeps its length in a number beside it, each behind a lock.

No access is a race, and in the end the number is right. But between the two steps a `get` may see
the item of which `size` does not know yet: no order of the calls explains both answers. Mended: the
item and the number under one hold of one lock. An object test finds it:

    ftstress objects 41_counted_apart.py
"""

from threading import Lock

from ftstress.objects import ObjectTest, integers, operation

FOUND_BY = ("objects",)


class Model:
    def __init__(self):
        self.items = []

    def put(self, item):
        self.items.append(item)

    def get(self):
        return self.items.pop(0) if self.items else None

    def size(self):
        return len(self.items)


class Racy(ObjectTest):
    """Two steps, each of them locked."""

    model = Model

    def __init__(self):
        self.items = []
        self.count = 0
        self.lock = Lock()

    @operation(item=integers(1, 3))
    def put(self, item):
        with self.lock:
            self.items.append(item)
        with self.lock:
            self.count += 1

    @operation()
    def get(self):
        with self.lock:
            item = self.items.pop(0) if self.items else None
        if item is not None:
            with self.lock:
                self.count -= 1
        return item

    @operation()
    def size(self):
        with self.lock:
            return self.count


class Mended(Racy):
    """One step."""

    @operation(item=integers(1, 3))
    def put(self, item):
        with self.lock:
            self.items.append(item)
            self.count += 1

    @operation()
    def get(self):
        with self.lock:
            if not self.items:
                return None
            self.count -= 1
            return self.items.pop(0)
