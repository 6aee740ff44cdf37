"""The host's telemetry stream over real sockets: lost, reopened, outliving its deadline."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from ftbridge import ThreadSafeAdapter, telemetry, testing, tool
from ftbridge.bridge.host_streams import HostStreams
from ftbridge.rpc import Channel
from ftbridge.wire import messages as m

STREAM = "/snakepit.bridge.BridgeService/StreamTelemetry"
EXECUTE = "/snakepit.bridge.BridgeService/ExecuteTool"
WAIT = 20.0  # seconds; only ever used up when something is broken
THREADS = 3


class Talkative(ThreadSafeAdapter):
    __thread_safe__ = True

    @tool
    def work(self) -> None:
        """Emits on this thread and on others that it starts."""
        with telemetry.span("work"):
            threads = [threading.Thread(target=self._part, args=(n,)) for n in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _part(self, n: int) -> None:
        with telemetry.span("part", {"n": n}):
            telemetry.emit("own.event", {"tokens": n})


class Host:
    """One connection with a telemetry stream on it."""

    def __init__(self, address: str, *metadata: tuple[str, str]) -> None:
        self.channel = Channel(address)
        self._controls: queue.SimpleQueue[m.TelemetryControl | None] = queue.SimpleQueue()
        self._stream = self.channel.stream_stream(
            STREAM, iter(self._take, None), timeout=None, metadata=metadata
        )
        self.send(m.TelemetryControl(toggle=m.TelemetryToggle(enabled=True)))
        self._stream.initial_metadata()  # the stream is open

    def _take(self) -> bytes | None:
        control = self._controls.get()
        return None if control is None else control.encode()

    def send(self, control: m.TelemetryControl) -> None:
        self._controls.put(control)

    def events(self, count: int) -> list[m.TelemetryEvent]:
        return [m.TelemetryEvent.decode(next(self._stream)) for _ in range(count)]

    def events_after(self, lost: str, count: int) -> list[m.TelemetryEvent]:
        """Events after a stream that was lost with this call's: its last one may come again."""
        first = self.events(1)
        if first[0].correlation_id == lost:
            first = self.events(1)
        return first + self.events(count - 1)

    def lose(self) -> None:
        """The connection breaks."""
        self._controls.put(None)
        self.channel.close()


def name(event: m.TelemetryEvent) -> str:
    return ".".join(event.event_parts)


@pytest.fixture
def served() -> Iterator[testing.Served]:
    with testing.serve(Talkative) as running:
        yield running


def call(served: testing.Served, correlation: str) -> None:
    with Channel(served.address) as channel:
        header = (telemetry.CORRELATION_HEADER, correlation)
        request = m.ExecuteToolRequest(tool_name="work").encode()
        channel.unary(EXECUTE, request, timeout=WAIT, metadata=(header,))


def until_open(streams: HostStreams, count: int) -> None:
    """Wait until so many streams are open."""
    with streams._changed:
        assert streams._changed.wait_for(lambda: streams.open_streams == count, WAIT)


EVENTS = 4 + 2 * THREADS
"""Of one call, for the host: of the tool, and of the spans; its own events are not for it."""


def test_a_host_that_loses_its_stream_misses_nothing(served):
    first = Host(served.address)
    call(served, "one")
    assert [event.correlation_id for event in first.events(EVENTS)] == ["one"] * EVENTS
    first.lose()
    streams = served.server.service.telemetry.host
    until_open(streams, 0)  # the server knows
    call(served, "two")
    call(served, "three")
    second = Host(served.address)
    ids = [event.correlation_id for event in second.events_after("one", 2 * EVENTS)]
    assert ids == ["two"] * EVENTS + ["three"] * EVENTS
    assert streams.dropped == 0
    second.lose()


def test_a_new_stream_takes_over_while_the_old_one_is_open(served):
    old = Host(served.address)
    call(served, "one")
    old.events(EVENTS)
    new = Host(served.address)
    call(served, "two")
    assert [event.correlation_id for event in new.events(EVENTS)] == ["two"] * EVENTS
    new.lose()
    streams = served.server.service.telemetry.host
    until_open(streams, 1)
    call(served, "three")
    ids = [event.correlation_id for event in old.events_after("two", EVENTS)]
    assert ids == ["three"] * EVENTS
    old.lose()


def test_what_the_host_accepts_and_what_an_observer_sees(served):
    host = Host(served.address)
    observer = Host(served.address, ("x-ftbridge-telemetry", "observe"))
    call(served, "c")
    names = [name(event) for event in host.events(EVENTS)]
    assert sorted(names) == sorted(
        ["tool.execution.start", "tool.execution.stop"]
        + ["python.call.start", "python.call.stop"] * (1 + THREADS)
    )
    seen = observer.events(EVENTS + THREADS)
    own = [event for event in seen if name(event) == "own.event"]
    assert sorted(event.measurements["tokens"].int_value for event in own) == [0, 1, 2]
    assert {event.correlation_id for event in seen} == {"c"}
    host.lose()
    observer.lose()
