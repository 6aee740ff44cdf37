"""The two signs that the host has gone."""

import os
import queue

import pytest

from ftbridge.compat.host_watch import HostPulse, watch_input
from ftbridge.compat.launch import HeartbeatSettings
from ftbridge.rpc import Method, MethodKind, create_server
from ftbridge.wire import messages

WAIT = 10.0


class Host:
    """A BridgeServer that answers Ping."""

    def __init__(self, port=0):
        self.pings = queue.SimpleQueue()
        ping = Method(
            path="/snakepit.bridge.BridgeService/Ping",
            kind=MethodKind.UNARY,
            handler=self._ping,
            decode=messages.PingRequest.decode,
            encode=messages.PingResponse.encode,
            inline=True,
        )
        self.server = create_server([ping], listen=f"127.0.0.1:{port}")
        self.port = self.server.start()

    def _ping(self, request, call):
        self.pings.put(request.message)
        return messages.PingResponse(message="pong")


@pytest.fixture
def host():
    running = Host()
    yield running
    running.server.stop(0.0)


def settings(**values):
    return HeartbeatSettings(interval_ms=5, timeout_ms=1000, **values)


def test_the_end_of_input_is_told_once():
    told = queue.SimpleQueue()
    read, write = os.pipe()
    try:
        assert watch_input(told.put, read)
        os.write(write, b"whatever")
        os.close(write)
        assert "standard input has ended" in told.get(timeout=WAIT)
        assert told.empty()
    finally:
        os.close(read)


def test_only_pipes_and_sockets_are_watched():
    with open(os.devnull) as nothing:  # noqa: PTH123
        assert not watch_input(lambda why: None, nothing.fileno())
    assert not watch_input(lambda why: None, 1 << 20)


def test_pings_that_fail_in_a_row_are_told(host):
    told = queue.SimpleQueue()
    pulse = HostPulse(f"127.0.0.1:{host.port}", settings(max_missed_heartbeats=2), told.put)
    pulse.start()
    for _ in range(3):
        host.pings.get(timeout=WAIT)
    assert told.empty()
    host.server.stop(0.0)
    assert "2 pings in a row" in told.get(timeout=WAIT)


def test_an_independent_worker_does_not_ping(host):
    pulse = HostPulse(f"127.0.0.1:{host.port}", settings(dependent=False), lambda why: None)
    assert pulse.reach(attempts=1)
    pulse.start()
    host.pings.get(timeout=WAIT)
    with pytest.raises(queue.Empty):
        host.pings.get(timeout=0.05)  # ten intervals


def test_reaching_takes_as_many_attempts_as_given(host):
    pulse = HostPulse(f"127.0.0.1:{host.port}", settings(), lambda why: None)
    assert pulse.reach(attempts=1)
    host.server.stop(0.0)
    assert not pulse.reach(attempts=2, pause=0.001)


def test_a_host_that_comes_late_is_reached():
    first = Host()
    port = first.port
    first.server.stop(0.0)
    pulse = HostPulse(f"127.0.0.1:{port}", settings(), lambda why: None)
    assert not pulse.reach(attempts=1)
    late = Host(port)
    try:
        assert pulse.reach(attempts=50, pause=0.01)
    finally:
        late.server.stop(0.0)
