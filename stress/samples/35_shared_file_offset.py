"""Two threads read records from one open file.

A file has one position. `seek` and `read` are two steps, and between them another thread moves it:
each reads the other's record. Mended: `os.pread`, which says in one step where to read.
"""

import os
import tempfile

from ftstress import together

FOUND_BY = ("schedules",)


def read(file, number):
    file.seek(number * 4)
    return file.read(4)


def read_at(file, number):
    return os.pread(file.fileno(), 4, number * 4)


def run(function):
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(b"aaaabbbb")
        assert together(lambda: function(file, 0), lambda: function(file, 1)) == [b"aaaa", b"bbbb"]


def racy():
    run(read)


def mended():
    run(read_at)
