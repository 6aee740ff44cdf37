"""`mimetypes`: a type that was added is gone.

The first call of any function makes the table. Two first calls make two, and the second replaces
the first, together with the type that a thread has added to that one meanwhile.

Claims nothing about threads; web servers call it on every one.
"""

import mimetypes
from threading import Thread

MODULES = ("mimetypes",)


def what_was_added_is_there():
    mimetypes._db, mimetypes.inited = None, False  # as a new process finds it
    mimetypes.knownfiles = []  # files of the machine are beside the point
    threads = [
        Thread(target=mimetypes.add_type, args=("text/x-wild", ".wild")),
        Thread(target=mimetypes.guess_type, args=("a.txt",)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mimetypes.guess_type("a.wild")[0] == "text/x-wild"


TEST = what_was_added_is_there
