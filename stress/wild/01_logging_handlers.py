"""`logging`: taking one handler away makes another one miss a record.

`Logger.callHandlers()` goes over the list of handlers without a lock, while `removeHandler()`
takes one out of the same list in place, under the module's lock. If that is one which has been
called already, those behind it move up, and the next is left out: its record is lost, and nobody
hears of it.

Claims to be thread-safe: its documentation says so in a section of its own (Thread Safety), and
that clients need do nothing for it.
"""

import logging
from threading import Thread

MODULES = ("logging",)


class Keeping(logging.Handler):
    """Keeps what it gets."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


def a_record_reaches_the_handler_that_stays():
    logger = logging.Logger("wild")
    leaving, staying = Keeping(), Keeping()
    logger.addHandler(leaving)
    logger.addHandler(staying)
    threads = [
        Thread(target=logger.warning, args=("one",)),
        Thread(target=logger.removeHandler, args=(leaving,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(staying.records) == 1, staying.records


TEST = a_record_reaches_the_handler_that_stays
