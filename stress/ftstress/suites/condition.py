"""`ftlocks.Condition`: no wake-up is lost, and who gives up takes none with it."""

from collections import deque

from ftlocks import Condition
from ftstress.suites._threads import together

MODULES = ("ftlocks.condition",)


def a_notification_reaches_who_waits() -> None:
    condition = Condition(name="suite")
    items: deque[int] = deque()

    def take() -> None:
        with condition:
            condition.wait_for(lambda: items)
            items.popleft()

    def give() -> None:
        with condition:
            items.append(1)
            condition.notify()

    together(take, take, give, give)
    assert not items


def who_gives_up_takes_no_notification_with_it() -> None:
    condition = Condition(name="suite")
    items: deque[int] = deque()

    def patient() -> None:
        with condition:
            condition.wait_for(lambda: items)
            items.popleft()

    def hasty() -> None:
        with condition:
            if not items and not condition.wait(0.001):
                condition.notify()

    def give() -> None:
        with condition:
            items.append(1)
            condition.notify_all()

    together(patient, hasty, give)
    assert not items
