"""`linecache`: a line of a traceback ends in a KeyError.

`getlines()` asks whether the file is in the cache and then takes it from there, in two steps;
`clearcache()` or `checkcache()` on another thread can come in between. `traceback` calls both, on
whatever thread an exception is formatted.

Claims nothing about threads, but the modules that stand on it (traceback, logging) are used by
all.
"""

import linecache
from threading import Thread

MODULES = ("linecache",)


def a_line_can_be_read_while_the_cache_is_emptied():
    linecache.cache["wild.txt"] = (5, None, ["line\n"], "wild.txt")
    threads = [
        Thread(target=linecache.getline, args=("wild.txt", 1)),
        Thread(target=linecache.clearcache),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


TEST = a_line_can_be_read_while_the_cache_is_emptied
