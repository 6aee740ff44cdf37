"""`urllib.request`: the opener that was installed is not the one that is used.

`urlopen()` makes a default opener where there is none: it looks, builds one and stores it. What
another thread installs while it builds is replaced, with its proxies, handlers and passwords, for
the rest of the process.

Claims nothing about threads.
"""

import urllib.request
from threading import Thread

MODULES = ("urllib.request",)


def what_was_installed_stays():
    urllib.request._opener = None  # as a new process finds it
    mine = urllib.request.build_opener()
    threads = [
        Thread(target=urllib.request.urlopen, args=("data:,x",)),
        Thread(target=urllib.request.install_opener, args=(mine,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert urllib.request._opener is mine


TEST = what_was_installed_stays
