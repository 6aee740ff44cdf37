"""A default argument that all calls share.

The list is made once, with the function, and every call that does not bring its own goes through
the same one. Mended: a new list for each call.
"""

import threading


def collect(item, found=[]):  # noqa: B006  # that is the mistake
    found.append(item)
    return len(found)


def collect_own(item, found=None):
    own = [] if found is None else found
    own.append(item)
    return len(own)


def both(function):
    threads = [threading.Thread(target=function, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def racy():
    both(collect)


def mended():
    both(collect_own)
