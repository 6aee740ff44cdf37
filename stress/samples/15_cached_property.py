"""`functools.cached_property` on an object that threads share.

It has had no lock since Python 3.12: two threads that ask first both compute, and each gets an
object of its own. Mended: `ftlocks.Lazy`, which computes once while the others wait.
"""

import threading
from functools import cached_property

import ftlocks


class Page:
    def __init__(self):
        self.lazy = ftlocks.Lazy(self.parse)

    def parse(self):
        return {"title": "x"}

    @cached_property
    def tree(self):
        return self.parse()

    def title(self):
        return self.tree["title"]

    def title_once(self):
        return self.lazy.get()["title"]


def both(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def racy():
    both(Page().title)


def mended():
    both(Page().title_once)
