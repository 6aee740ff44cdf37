"""A context variable that a task of a pool sets, and does not set back.

A pool's thread lives on, and its context with it: the next task on that thread, somebody else's,
sees the value. Which task that is depends on who was free. Mended: each task in a copy of the
context.
"""

from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context

FOUND_BY = ("schedules",)

user = ContextVar("user", default="nobody")


def logged_in():
    user.set("ann")


def anonymous():
    return user.get()


def racy():
    with ThreadPoolExecutor(2) as pool:
        pool.submit(logged_in)
        assert pool.submit(anonymous).result() == "nobody"


def mended():
    with ThreadPoolExecutor(2) as pool:
        pool.submit(copy_context().run, logged_in)
        assert pool.submit(copy_context().run, anonymous).result() == "nobody"
