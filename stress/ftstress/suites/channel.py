"""`ftlocks.Channel`: every item to one receiver, in each sender's order; an end for all."""

from ftlocks import Channel, ClosedError
from ftstress.suites._threads import together

MODULES = ("ftlocks.channel", "ftlocks._base")


def _drain(channel: Channel[int], found: list[int]) -> None:
    while True:
        try:
            found.append(channel.get())
        except ClosedError:
            return


def items_arrive_once_and_in_order() -> None:
    for capacity in (1, 2):
        channel: Channel[int] = Channel(capacity, "suite")
        found: list[int] = []

        def send(channel: Channel[int] = channel) -> None:
            for number in range(3):
                channel.put(number)
            channel.close()

        together(send, lambda channel=channel, found=found: _drain(channel, found))  # type: ignore[misc]
        assert found == [0, 1, 2]


def two_senders_two_receivers() -> None:
    channel: Channel[int] = Channel(1, "suite")
    first: list[int] = []
    second: list[int] = []

    def send(number: int) -> None:
        channel.put(number)

    def take(found: list[int]) -> None:
        found.append(channel.get())

    together(lambda: send(1), lambda: send(2), lambda: take(first), lambda: take(second))
    assert sorted(first + second) == [1, 2]


def closing_wakes_who_waits() -> None:
    channel: Channel[int] = Channel(1, "suite")
    found: list[int] = []
    together(lambda: _drain(channel, found), lambda: _drain(channel, found), channel.close)
    assert found == []
