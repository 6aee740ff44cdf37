"""Object tests whose failure does not depend on luck, and ones for schedules."""

import ftlocks
from ftstress.objects import NotYet, ObjectTest, choice, integers, operation


class Number:
    """The model."""

    def __init__(self):
        self.number = 0

    def add(self, amount):
        self.number += amount
        return self.number

    def get(self):
        return self.number


class Off(ObjectTest):
    """Wrong even one by one: it counts one too many from three on."""

    model = Number

    def __init__(self):
        self.number = ftlocks.AtomicInt()

    @operation(amount=integers(1, 1))
    def add(self, amount):
        number = self.number.add(amount)
        return number if number < 3 else number + 1

    @operation()
    def get(self):
        number = self.number.get()
        return number if number < 3 else number + 1


class Racy(ObjectTest):
    """A counter without a lock."""

    model = Number
    length = 2

    def __init__(self):
        self.number = 0

    @operation(amount=choice(1, 2))
    def add(self, amount):
        self.number += amount
        return self.number

    @operation()
    def get(self):
        return self.number


class Atomic(ObjectTest):
    """An atomic one."""

    model = Number

    def __init__(self):
        self.number = ftlocks.AtomicInt()

    @operation(amount=integers(1, 2))
    def add(self, amount):
        return self.number.add(amount)

    @operation()
    def get(self):
        return self.number.get()


class Table:
    def __init__(self):
        self.value = None

    def put(self, key, value):
        self.value = value

    def get(self, key):
        return self.value


class Keyed(ObjectTest):
    """Each key by itself: the model is that of one key."""

    model = Table
    partition_by = "key"

    def __init__(self):
        self.table = {}

    @operation(key=choice("a", "b"), value=integers(0, 9))
    def put(self, key, value):
        self.table[key] = value

    @operation(key=choice("a", "b"))
    def get(self, key):
        return self.table.get(key)


class Gate:
    def __init__(self):
        self.is_open = False

    def open(self):
        self.is_open = True

    def wait(self):
        if not self.is_open:
            raise NotYet


class Deaf(ObjectTest):
    """A wait that never ends, opened or not."""

    model = Gate
    threads = 2
    length = 1
    never = ftlocks.Event()

    @operation()
    def open(self):
        pass

    @operation()
    def wait(self):
        self.never.wait()


class Dies(ObjectTest):
    """The thread ends in the middle of a call, after its effect."""

    model = Number
    threads = 2
    length = 1

    def __init__(self):
        self.number = ftlocks.AtomicInt()

    @operation()
    def get(self):
        return self.number.get()

    @operation(amount=integers(1, 1))
    def add(self, amount):
        self.number.add(amount)
        raise SystemExit
