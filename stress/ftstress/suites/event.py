"""`ftlocks.Event`: what was done before `set()` is there after `wait()`."""

from ftlocks import Event
from ftstress.suites._threads import together

MODULES = ("ftlocks.event", "ftlocks._base")


def set_wakes_all_who_wait() -> None:
    event = Event("suite")
    box: list[int] = []

    def wait() -> None:
        assert event.wait()
        assert box == [1]

    def publish() -> None:
        box.append(1)
        event.set()

    together(wait, wait, publish)
    assert event.is_set()


def clear_takes_nobody_s_wake_up() -> None:
    event = Event("suite")

    def pulse() -> None:
        event.set()
        event.clear()
        event.set()

    together(event.wait, pulse)
    assert event.is_set()
