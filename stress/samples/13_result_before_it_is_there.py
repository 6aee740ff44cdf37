"""Work is given to a pool, and its effect is read without waiting for it.

`submit()` only orders what came before it before the work. Nothing orders the work before what
comes after `submit()`, until somebody asks the future. Mended: `result()` first.
"""

from concurrent.futures import ThreadPoolExecutor

FOUND_BY = ("races", "schedules")


class Index:
    def __init__(self):
        self.words = None

    def build(self):
        self.words = 3


def racy():
    index = Index()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(index.build)
        assert index.words == 3


def mended():
    index = Index()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(index.build).result()
        assert index.words == 3
