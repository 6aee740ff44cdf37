"""Serves an adapter with a tracer provider of its own; prints the spans as JSON lines at the end.

In a process of its own, because OpenTelemetry's provider is the process's and set only once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ftbridge import ThreadSafeAdapter, telemetry, tool
from ftbridge.adapters.host import AdapterHost
from ftbridge.bridge.server import BridgeServer
from ftbridge.rpc import Channel, RpcError
from ftbridge.wire import messages as m

PARENT = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
SERVICE = "/snakepit.bridge.BridgeService/"


class TracedAdapter(ThreadSafeAdapter):
    __thread_safe__ = True

    def setup(self) -> None:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
        trace.set_tracer_provider(provider)

    @tool
    def work(self) -> int:
        with telemetry.span("inner", {"rows": 3}) as span:
            span.metadata["found"] = 1
        return 1

    @tool
    def fail(self) -> None:
        raise ValueError("bad")

    @tool(supports_streaming=True)
    def count(self, n: int) -> Iterator[int]:
        for i in range(n):
            with telemetry.span(f"item {i}"):
                yield i


EXPORTER = InMemorySpanExporter()


def main() -> None:
    server = BridgeServer(AdapterHost(TracedAdapter))
    with Channel(f"127.0.0.1:{server.start()}") as channel:
        for name in ("work", "fail"):
            request = m.ExecuteToolRequest(tool_name=name, session_id="s").encode()
            channel.unary(SERVICE + "ExecuteTool", request, timeout=20.0, metadata=(PARENT,))
        request = m.ExecuteToolRequest(
            tool_name="count", parameters={"n": m.Any(type_url="x/y.integer", value=b"2")}
        ).encode()
        list(channel.unary_stream(SERVICE + "ExecuteStreamingTool", request, timeout=20.0))
        try:
            channel.unary(SERVICE + "GetSession", b"", timeout=20.0)
        except RpcError:
            pass
    server.stop(2.0)
    for span in EXPORTER.get_finished_spans():
        print(
            json.dumps(
                {
                    "name": span.name,
                    "id": f"{span.context.span_id:016x}",
                    "trace": f"{span.context.trace_id:032x}",
                    "parent": None if span.parent is None else f"{span.parent.span_id:016x}",
                    "kind": span.kind.name,
                    "status": span.status.status_code.name,
                    "attributes": dict(span.attributes or {}),
                    "events": [event.name for event in span.events],
                }
            )
        )


if __name__ == "__main__":
    main()
