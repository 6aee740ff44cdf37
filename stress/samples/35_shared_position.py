"""Two threads read records through one reader, which has a position, as an open file has.

`seek` and `read` are two steps, and between them another thread moves the position: each reads the
other's record. Mended: one step that says where to read, as `os.pread` does for files.
"""

from ftstress import together

FOUND_BY = ("races", "schedules")


class Reader:
    def __init__(self, data):
        self.data = data
        self.position = 0

    def seek(self, position):
        self.position = position

    def read(self, size):
        start = self.position
        self.position = start + size
        return self.data[start : start + size]

    def read_at(self, size, position):
        return self.data[position : position + size]


def record(reader, number):
    reader.seek(number * 4)
    return reader.read(4)


def record_at(reader, number):
    return reader.read_at(4, number * 4)


def run(function):
    reader = Reader(b"aaaabbbb")
    records = together(lambda: function(reader, 0), lambda: function(reader, 1))
    assert records == [b"aaaa", b"bbbb"]


def racy():
    run(record)


def mended():
    run(record_at)
