"""`jinja2`: the items of its cache end in a KeyError.

`LRUCache.__setitem__()` appends the key to the queue and then puts the value into the mapping,
under a lock; `items()` goes over the queue and looks each key up, without it.

Claims nothing about threads; every other method that writes takes the lock, which is there for
them.
"""

from threading import Thread

from jinja2.utils import LRUCache

REQUIREMENTS = ("jinja2==3.1.6",)
MODULES = ("jinja2.utils",)


def items_can_be_read_while_one_comes():
    cache = LRUCache(4)
    cache["a"] = 1
    threads = [
        Thread(target=cache.items),
        Thread(target=cache.__setitem__, args=("b", 2)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


TEST = items_can_be_read_while_one_comes
