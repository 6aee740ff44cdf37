"""Stock grpcio serving the benchmark's tools: what an ordinary worker does for a call, no more.

Reads each parameter's JSON, calls the tool, writes the result's JSON and the time it took. It has
no sessions, deadlines or limits of its own, so it does no work that ftbridge is spared.
Must never import ftbridge, but for the generated messages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from ftbridge.wire.proto import snakepit_bridge_pb2 as pb
from tools.bench_lib import work

SERVICE = "snakepit.bridge.BridgeService"
STRING_VALUE_URL = "type.googleapis.com/google.protobuf.StringValue"
TOOLS: dict[str, Callable[..., object]] = {
    "echo": work.echo,
    "burn": work.burn,
    "about": work.about,
}


def execute(request: pb.ExecuteToolRequest) -> pb.ExecuteToolResponse:
    """Run a tool; what it raises is told in the answer."""
    started = time.perf_counter_ns()
    response = pb.ExecuteToolResponse()
    try:
        arguments = {name: json.loads(value.value) for name, value in request.parameters.items()}
        value = TOOLS[request.tool_name](**arguments)
        response.result.type_url = STRING_VALUE_URL
        response.result.value = json.dumps(value).encode()
        response.success = True
    except Exception as error:  # noqa: BLE001  as a worker does: a failed tool is an answer
        response.error_message = f"{type(error).__name__}: {error}"
    response.execution_time_ms = (time.perf_counter_ns() - started) // 1_000_000
    return response


def ping(request: pb.PingRequest) -> pb.PingResponse:
    """Answer at once."""
    response = pb.PingResponse(message=request.message)
    response.server_time.GetCurrentTime()
    return response


def _handlers(
    execute_tool: Callable[..., object], answer_ping: Callable[..., object]
) -> grpc.GenericRpcHandler[Any, Any]:
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "ExecuteTool": grpc.unary_unary_rpc_method_handler(
                execute_tool,
                request_deserializer=pb.ExecuteToolRequest.FromString,
                response_serializer=pb.ExecuteToolResponse.SerializeToString,
            ),
            "Ping": grpc.unary_unary_rpc_method_handler(
                answer_ping,
                request_deserializer=pb.PingRequest.FromString,
                response_serializer=pb.PingResponse.SerializeToString,
            ),
        },
    )


def _publish(port_file: Path, port: int) -> None:
    partial = port_file.with_name(f"{port_file.name}.{os.getpid()}")
    partial.write_text(f"{port}\n")
    partial.replace(port_file)


def serve_sync(port_file: Path, threads: int) -> None:
    """``grpc.server`` on a thread pool, until SIGTERM."""

    def execute_tool(
        request: pb.ExecuteToolRequest, _: grpc.ServicerContext
    ) -> pb.ExecuteToolResponse:
        return execute(request)

    def answer_ping(request: pb.PingRequest, _: grpc.ServicerContext) -> pb.PingResponse:
        return ping(request)

    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    server = grpc.server(ThreadPoolExecutor(threads))
    server.add_generic_rpc_handlers((_handlers(execute_tool, answer_ping),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    _publish(port_file, port)
    stopped.wait()
    server.stop(None).wait()


async def serve_aio(port_file: Path) -> None:
    """``grpc.aio`` with the tools on the event loop, until SIGTERM."""

    async def execute_tool(
        request: pb.ExecuteToolRequest, _: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ExecuteToolResponse:
        return execute(request)

    async def answer_ping(
        request: pb.PingRequest, _: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.PingResponse:
        return ping(request)

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_handlers(execute_tool, answer_ping),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _publish(port_file, port)
    await stopped.wait()
    await server.stop(None)


def main() -> None:
    parser = argparse.ArgumentParser(description=serve_sync.__doc__)
    parser.add_argument("--kind", choices=("sync", "aio"), required=True)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    if options.kind == "sync":
        serve_sync(options.port_file, options.threads)
    else:
        asyncio.run(serve_aio(options.port_file))


if __name__ == "__main__":
    main()
