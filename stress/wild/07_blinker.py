"""`blinker`: disconnecting fails while somebody connects, and the receiver stays half connected.

`Signal.disconnect()` goes over the buckets of all senders; `connect(..., sender=new)` on another
thread adds one. The loop ends with "dictionary changed size during iteration". By then the signal
has forgotten which senders the receiver had, but has not taken it out of the remaining buckets nor
out of the receivers: it is still called, and cannot be disconnected any more.

Claims to be thread-safe: its documentation lists "thread safety" among the features.
"""

from threading import Thread

import blinker

REQUIREMENTS = ("blinker==1.9.0",)
MODULES = ("blinker.base",)


class Sender:
    pass


def receive(sender):
    pass


def other(sender):
    pass


def a_receiver_is_disconnected_while_another_connects():
    signal = blinker.Signal()
    first, second = Sender(), Sender()
    signal.connect(receive, sender=first)
    threads = [
        Thread(target=signal.disconnect, args=(receive,)),
        Thread(target=signal.connect, args=(other, second)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not list(signal.receivers_for(first))


TEST = a_receiver_is_disconnected_while_another_connects
