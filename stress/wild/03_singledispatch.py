"""`functools.singledispatch`: a call fails while an implementation is registered.

A call with a class that is not in the cache goes over the dictionary of implementations to find
the nearest one. `register()` on another thread puts one into that dictionary, and the call, which
has nothing to do with it, ends with "dictionary changed size during iteration". (Where it does
not, it may put the implementation that it has found into the cache after `register()` has emptied
it, where it stays.)

Claims nothing about threads.
"""

import functools
from threading import Thread

MODULES = ("functools",)


class Shape:
    pass


def a_call_finds_its_implementation():
    @functools.singledispatch
    def area(_):
        return "default"

    threads = [
        Thread(target=area, args=(Shape(),)),
        Thread(target=area.register, args=(Shape, lambda _: "its own")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert area(Shape()) == "its own"


TEST = a_call_finds_its_implementation
