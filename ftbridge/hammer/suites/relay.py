"""The relay: one holder at a time, whoever it is, and all work is done once."""

from collections import deque

from ftbridge.rpc.relay import Relay
from ftstress.suites._threads import together

MODULES = ("ftbridge.rpc.relay",)


class _Reactor:
    """What a role does: takes work from a list that only its holder may touch."""

    def __init__(self, work: int) -> None:
        self.waiting = deque(range(work))
        self.done: list[int] = []
        self.holders = 0
        self.relay = Relay(self.role, name="suite")

    def role(self, seat: int) -> bool:
        self.holders += 1
        assert self.holders == 1
        while self.waiting:
            number = self.waiting.popleft()
            self.holders -= 1
            if not self.relay.manned:
                self.done.append(number)
            elif not self.relay.lend(seat, _Work(self, number)):
                return True
            self.holders += 1
            assert self.holders == 1
        self.holders -= 1
        return False


class _Work:
    def __init__(self, reactor: _Reactor, number: int) -> None:
        self.reactor = reactor
        self.number = number

    def run(self) -> None:
        self.reactor.done.append(self.number)


def one_holder_at_a_time() -> None:
    reactor = _Reactor(3)
    reactor.relay.start()
    together(lambda: None)
    for thread in reactor.relay.threads[:1]:
        thread.join(30.0)
    reactor.relay.stop(30.0)
    assert sorted(reactor.done) == [0, 1, 2]
