"""The calls that `tools/bench rpc` repeats, and what a right answer to each is.

Must never import grpc: the tests look at these on builds that have no wheel of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ftbridge.wire.proto import snakepit_bridge_pb2 as pb

from .request import (
    EXECUTE_STREAMING_TOOL,
    EXECUTE_TOOL,
    echo_request,
    execute_request,
    framed,
)

CHUNKS: Final = 20
"""Of a streaming call: enough that they and not the call's head and end are what is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One kind of call."""

    name: str
    title: str
    streaming: bool = False
    most_streams: int | None = None
    """Calls at once over all connections, where the matrix has more: messages have to be held."""
    least_seconds: float = 0.0
    """Shortest measurement that sees enough of them."""
    steady: bool = True
    """Whether each call answers the same."""

    @property
    def path(self) -> str:
        return EXECUTE_STREAMING_TOOL if self.streaming else EXECUTE_TOOL

    def request(self) -> pb.ExecuteToolRequest:
        return _REQUESTS[self.name]()

    def body(self) -> bytes:
        """The request as h2load sends it."""
        return framed(self.request().SerializeToString())


def _bytes_request() -> pb.ExecuteToolRequest:
    request = pb.ExecuteToolRequest(session_id="bench", tool_name="echo_bytes")
    request.binary_parameters["data"] = bytes(range(256)) * 4096
    return request


_REQUESTS: Final[dict[str, Callable[[], pb.ExecuteToolRequest]]] = {
    "small": echo_request,
    "4k": functools.partial(execute_request, "echo", {"text": "payload " * 512, "count": 42}),
    "1m": _bytes_request,
    "stream": functools.partial(execute_request, "count", {"to": CHUNKS}),
    "burn-50us": functools.partial(execute_request, "burn", {"iterations": 1_000}),
    "burn-1ms": functools.partial(execute_request, "burn", {"iterations": 19_000}),
    "burn-20ms": functools.partial(execute_request, "burn", {"iterations": 380_000}),
    "analysis": functools.partial(execute_request, "analysis", {}),
    "methods": functools.partial(execute_request, "methods", {"steps": 5_000}),
    "array": functools.partial(execute_request, "array", {"size": 40_000}),
    "wait": functools.partial(execute_request, "wait", {"milliseconds": 5}),
    "hot": functools.partial(execute_request, "hot", {"steps": 10}),
}

SMALL: Final = Workload(name="small", title="small call: two JSON parameters, 177 bytes")
FOUR_KIB: Final = Workload(name="4k", title="4 KiB of JSON text, echoed")
ONE_MIB: Final = Workload(name="1m", title="1 MiB of bytes, echoed", most_streams=64)
STREAM: Final = Workload(
    name="stream", title=f"server streaming: {CHUNKS} chunks a call", streaming=True
)
BURN: Final = Workload(
    name="burn-1ms",
    title="1 ms of arithmetic",
    steady=False,  # it tells its thread
)

WORKLOADS: Final = (SMALL, FOUR_KIB, ONE_MIB, STREAM)

TOOLS: Final = (
    Workload(name="burn-50us", title="50 us of arithmetic", steady=False),
    BURN,
    Workload(name="burn-20ms", title="20 ms of arithmetic", least_seconds=1.5, steady=False),
    Workload(name="analysis", title="the example's analysis, AST work", least_seconds=1.0),
    Workload(name="methods", title="20,000 method calls"),
    Workload(name="array", title="numpy: sort 40,000 numbers"),
    Workload(name="wait", title="a wait of 5 ms"),
    Workload(name="hot", title="a hot lock, 10 times a call"),
)
