"""A default argument that all calls share.

The list is made once, with the function, and every call that does not bring its own goes through
the same one. Mended: a new list for each call.
"""

from ftstress import together

FOUND_BY = ("races", "schedules")


def collect(item, found=[]):  # noqa: B006  # that is the mistake
    found.append(item)
    return len(found)


def collect_own(item, found=None):
    own = [] if found is None else found
    own.append(item)
    return len(own)


def racy():
    assert together(lambda: collect(1), lambda: collect(2)) == [1, 1]


def mended():
    assert together(lambda: collect_own(1), lambda: collect_own(2)) == [1, 1]
