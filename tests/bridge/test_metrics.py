from __future__ import annotations

from collections.abc import Iterator

import pytest
from bridge.adapters_for_tests import DemoAdapter

from ftbridge.adapters.host import AdapterHost
from ftbridge.bridge.metrics import ServerCollector
from ftbridge.bridge.server import BridgeServer
from ftbridge.metrics import CallMeter
from ftbridge.rpc import Channel, RpcError
from ftbridge.wire import messages as m
from ftbridge.wire.values import encode_value

SERVICE = "/snakepit.bridge.BridgeService/"
Figures = dict[tuple[str, ...], float]


class Measured:
    def __init__(self) -> None:
        host = AdapterHost(DemoAdapter)
        meter = CallMeter(host.tools)
        self.server = BridgeServer(host, meter=meter)
        self.collector = ServerCollector(self.server, meter)
        self.channel = Channel(f"127.0.0.1:{self.server.start()}")

    def unary(self, tool: str, **arguments: object) -> None:
        self.channel.unary(SERVICE + "ExecuteTool", _request(tool, arguments), timeout=20.0)

    def stream(self, tool: str, **arguments: object) -> None:
        request = _request(tool, arguments)
        list(self.channel.unary_stream(SERVICE + "ExecuteStreamingTool", request, timeout=20.0))

    def figures(self) -> Figures:
        """Samples by name and label values."""
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in self.collector.collect()
            for sample in family.samples
        }


def _request(tool: str, arguments: dict[str, object]) -> bytes:
    parameters = {name: encode_value(value) for name, value in arguments.items()}
    return m.ExecuteToolRequest(session_id="s", tool_name=tool, parameters=parameters).encode()


@pytest.fixture(scope="module")
def measured() -> Iterator[Measured]:
    made = Measured()
    yield made
    made.channel.close()
    made.server.stop(1.0)


def test_figures_of_a_server_that_has_served(measured):
    measured.unary("add", a=1)
    measured.unary("add", a=2)
    measured.unary("fail", kind="value")
    measured.unary("add")
    measured.unary("nothing-like-it")
    measured.stream("count", n=3)
    with pytest.raises(RpcError):
        measured.stream("break_after", n=1)
    figures = measured.figures()
    assert figures["ftbridge_calls_total", "add", "ok"] == 2
    assert figures["ftbridge_calls_total", "add", "invalid"] == 1
    assert figures["ftbridge_calls_total", "fail", "error"] == 1
    assert figures["ftbridge_calls_total", "(unknown)", "invalid"] == 1
    assert figures["ftbridge_calls_total", "count", "ok"] == 1
    assert figures["ftbridge_calls_total", "break_after", "error"] == 1
    assert figures["ftbridge_calls_in_flight", "add"] == 0
    assert figures["ftbridge_call_duration_seconds_count", "add"] == 3
    assert figures["ftbridge_call_duration_seconds_bucket", "add", "+Inf"] == 3
    assert figures["ftbridge_call_duration_seconds_sum", "add"] > 0
    assert figures[("ftbridge_streams_total",)] == 2
    assert figures[("ftbridge_chunks_total",)] == 4
    assert figures[("ftbridge_sessions",)] == 1
    assert figures[("ftbridge_connections",)] == 1
    assert figures[("ftbridge_handlers",)] == len(measured.server.transport.pool.threads)  # type: ignore[attr-defined]
    assert figures[("ftbridge_queue_depth",)] == 0
    assert figures[("ftbridge_threads",)] >= 3


def test_rejected_calls_are_those_of_both_pools(measured):
    assert measured.figures()[("ftbridge_rejected_calls_total",)] == 0
    transport = measured.server.transport
    transport.pool._refused.add(7)  # type: ignore[attr-defined]
    transport.streams._refused.add(2)  # type: ignore[attr-defined]
    assert measured.figures()[("ftbridge_rejected_calls_total",)] == 9
