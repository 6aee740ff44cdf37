"""A report goes over a table while requests add to it.

`RuntimeError: dictionary changed size during iteration`, or a report that mixes two moments. It
needs no `for`: `sum(table.values())` iterates too. Mended: go over a copy made under the lock that
the writers hold.
"""

import threading

from ftstress import together

FOUND_BY = ("races",)


class Latencies:
    def __init__(self):
        self.by_tool = {"ping": 1}
        self.lock = threading.Lock()

    def record(self):
        self.by_tool["add"] = 3

    def report(self):
        return sum(self.by_tool.values())

    def record_locked(self):
        with self.lock:
            self.by_tool["add"] = 3

    def report_copy(self):
        with self.lock:
            copy = dict(self.by_tool)
        return sum(copy.values())


def racy():
    latencies = Latencies()
    together(latencies.record, latencies.report)


def mended():
    latencies = Latencies()
    together(latencies.record_locked, latencies.report_copy)
