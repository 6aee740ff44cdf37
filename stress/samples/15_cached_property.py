"""`functools.cached_property` on an object that threads share.

It has had no lock since Python 3.12: two threads that ask first both compute, and each gets an
object of its own. Mended: `ftlocks.Lazy`, which computes once while the others wait.
"""

from functools import cached_property

import ftlocks
from ftstress import together

FOUND_BY = ("races", "schedules")


class Page:
    def __init__(self):
        self.parses = ftlocks.AtomicInt()
        self.lazy = ftlocks.Lazy(self.parse)

    def parse(self):
        self.parses.add()
        return {"title": "x"}

    @cached_property
    def tree(self):
        return self.parse()

    def parsed(self):
        return self.tree

    def parsed_once(self):
        return self.lazy.get()


def racy():
    page = Page()
    first, second = together(page.parsed, page.parsed)
    assert first is second


def mended():
    page = Page()
    first, second = together(page.parsed_once, page.parsed_once)
    assert first is second
