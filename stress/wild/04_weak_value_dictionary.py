"""`weakref.WeakValueDictionary.setdefault`: two threads, one key, two objects.

`dict.setdefault()` is one step; here it is a look and an assignment. Whoever uses it to have one
object for each key (the way it is meant to be used, and `dateutil` and others do) gets two.

Claims nothing about threads; `dict.setdefault()`, which it stands for, is atomic.
"""

import weakref
from threading import Thread

MODULES = ("weakref",)


class Value:
    pass


def one_key_has_one_object():
    table = weakref.WeakValueDictionary()
    got = []

    def intern():
        got.append(table.setdefault("key", Value()))

    threads = [Thread(target=intern) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got[0] is got[1]


TEST = one_key_has_one_object
