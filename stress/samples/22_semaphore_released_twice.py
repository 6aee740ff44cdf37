"""A semaphore as a lock, given back in `except` and again in `finally`.

A semaphore does not know who has it: the second release lets one more in, and from then on two
threads are inside at once. Mended: a `with` block, and `BoundedSemaphore`, which refuses the
surplus.
"""

from threading import BoundedSemaphore, Semaphore

from ftstress import together

FOUND_BY = ("schedules",)


class Device:
    def __init__(self, semaphore):
        self.semaphore = semaphore
        self.users = 0

    def use(self):
        self.users += 1
        assert self.users == 1, "two at once"
        self.users -= 1

    def fail_and_release_twice(self):
        self.semaphore.acquire()
        try:
            raise ValueError
        except ValueError:
            self.semaphore.release()
        finally:
            self.semaphore.release()

    def fail(self):
        with self.semaphore:
            pass

    def work(self):
        with self.semaphore:
            self.use()


def run(device, failing):
    failing()
    together(device.work, device.work)


def racy():
    device = Device(Semaphore(1))
    run(device, device.fail_and_release_twice)


def mended():
    device = Device(BoundedSemaphore(1))
    run(device, device.fail)
