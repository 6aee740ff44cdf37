"""Stock servers of the benchmark's tools: what an ordinary worker does for a call, no more.

grpcio's two servers, and `pygrpc-native` twice: as the drop-in it offers, and by its low-level
interface, which is faster. Each reads a parameter's JSON, calls the tool, writes the result's JSON
and the time it took. None has sessions, deadlines or limits of its own, so none does work that
ftbridge is spared. Must never import ftbridge, but for the generated messages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
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
    "echo_bytes": work.echo_bytes,
    "burn": work.burn,
    "about": work.about,
}
STREAMS: dict[str, Callable[..., Iterator[object]]] = {"count": work.count}


def execute(request: pb.ExecuteToolRequest) -> pb.ExecuteToolResponse:
    """Run a tool; what it raises is told in the answer."""
    started = time.perf_counter_ns()
    response = pb.ExecuteToolResponse()
    try:
        value = TOOLS[request.tool_name](**_arguments(request))
        if isinstance(value, bytes):
            response.binary_result = value
        else:
            response.result.type_url = STRING_VALUE_URL
            response.result.value = json.dumps(value).encode()
        response.success = True
    except Exception as error:  # noqa: BLE001  as a worker does: a failed tool is an answer
        response.error_message = f"{type(error).__name__}: {error}"
    response.execution_time_ms = (time.perf_counter_ns() - started) // 1_000_000
    return response


def stream(request: pb.ExecuteToolRequest) -> Iterator[pb.ToolChunk]:
    """Run a tool and send what it yields."""
    tool = request.tool_name
    number = 0
    for value in STREAMS[tool](**_arguments(request)):
        number += 1
        yield pb.ToolChunk(chunk_id=f"{tool}-{number}", data=json.dumps(value).encode())
    yield pb.ToolChunk(chunk_id=f"{tool}-{number + 1}", is_final=True)


def _arguments(request: pb.ExecuteToolRequest) -> dict[str, Any]:
    arguments = {name: json.loads(value.value) for name, value in request.parameters.items()}
    if request.binary_parameters:
        arguments.update(request.binary_parameters)
    return arguments


def ping(request: pb.PingRequest) -> pb.PingResponse:
    """Answer at once."""
    response = pb.PingResponse(message=request.message)
    response.server_time.GetCurrentTime()
    return response


def _add_to(server: Any, execute_tool: Any, stream_tool: Any, answer_ping: Any) -> None:
    """Register the methods, both ways, as the code that grpcio-tools generates does."""
    handlers = {
        "ExecuteTool": grpc.unary_unary_rpc_method_handler(
            execute_tool,
            request_deserializer=pb.ExecuteToolRequest.FromString,
            response_serializer=pb.ExecuteToolResponse.SerializeToString,
        ),
        "ExecuteStreamingTool": grpc.unary_stream_rpc_method_handler(
            stream_tool,
            request_deserializer=pb.ExecuteToolRequest.FromString,
            response_serializer=pb.ToolChunk.SerializeToString,
        ),
        "Ping": grpc.unary_unary_rpc_method_handler(
            answer_ping,
            request_deserializer=pb.PingRequest.FromString,
            response_serializer=pb.PingResponse.SerializeToString,
        ),
    }
    generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
    server.add_generic_rpc_handlers((generic,))
    server.add_registered_method_handlers(SERVICE, handlers)


def _publish(port_file: Path, port: int) -> None:
    partial = port_file.with_name(f"{port_file.name}.{os.getpid()}")
    partial.write_text(f"{port}\n")
    partial.replace(port_file)


def _terminated() -> threading.Event:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    return stopped


def serve_sync(make: Callable[..., Any], port_file: Path, threads: int) -> None:
    """A server like ``grpc.server`` on a thread pool, until SIGTERM."""
    stopped = _terminated()
    server = make(ThreadPoolExecutor(threads))
    _add_to(
        server,
        lambda request, _: execute(request),
        lambda request, _: stream(request),
        lambda request, _: ping(request),
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    _publish(port_file, port)
    stopped.wait()
    server.stop(None).wait()


async def serve_aio(port_file: Path) -> None:
    """``grpc.aio`` with the tools on the event loop, until SIGTERM."""

    async def execute_tool(request: pb.ExecuteToolRequest, _: Any) -> pb.ExecuteToolResponse:
        if request.tool_name == "wait":  # on an event loop nobody would sleep otherwise
            await asyncio.sleep(_arguments(request)["milliseconds"] / 1000)
            request.parameters["milliseconds"].value = b"0"
        return execute(request)

    async def stream_tool(request: pb.ExecuteToolRequest, _: Any) -> Any:
        for chunk in stream(request):
            yield chunk

    async def answer_ping(request: pb.PingRequest, _: Any) -> pb.PingResponse:
        return ping(request)

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = grpc.aio.server()
    _add_to(server, execute_tool, stream_tool, answer_ping)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _publish(port_file, port)
    await stopped.wait()
    await server.stop(None)


FRONT_BATCH = 1
"""Calls that a thread takes at once: more would make a call wait for its neighbours' tools."""

FRONT_WAIT_MS = 500


def serve_front(port_file: Path, threads: int) -> None:
    """`pygrpc_native.NativeGrpcFront`, threads taking calls from it, until SIGTERM."""
    from pygrpc_native import EVENT_CALL, NativeGrpcFront

    stopped = _terminated()
    methods = [("ExecuteTool", False), ("ExecuteStreamingTool", True), ("Ping", False)]
    front = NativeGrpcFront(
        "127.0.0.1:0", [(f"/{SERVICE}/{name}", streams) for name, streams in methods]
    )

    def calls() -> None:
        # With a limit: of several threads that wait without one, closing wakes only one.
        while (events := front.recv_batch(FRONT_BATCH, FRONT_WAIT_MS)) is not None:
            for kind, call, method, payload, _ in events:
                if kind == EVENT_CALL and payload is not None:
                    answer(call, method, payload)

    def answer(call: int, method: int, payload: bytes) -> None:
        if method == 2:
            front.respond(call, ping(pb.PingRequest.FromString(payload)).SerializeToString())
            return
        request = pb.ExecuteToolRequest.FromString(payload)
        if method == 0:
            front.respond(call, execute(request).SerializeToString())
            return
        for chunk in stream(request):
            if not front.stream_send(call, chunk.SerializeToString()):
                return  # the caller has gone
        front.stream_end(call)

    front.start()
    workers = [threading.Thread(target=calls, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    _publish(port_file, front.bound_port)
    stopped.wait()
    front.close()
    for worker in workers:
        worker.join()


def add_heavy() -> None:
    """Serve the heavier tools too."""
    from tools.bench_lib import heavy_work

    for name in ("analysis", "methods", "array", "wait", "hot"):
        TOOLS[name] = getattr(heavy_work, name)


def add_model(mib: int) -> None:
    """Hold a model of so many MiB, as a worker of the incumbent's does, and serve its tools."""
    model = b"\x01" * (mib << 20)  # not zeros: pages of those would only be promised

    def wait(seconds: float) -> dict[str, float]:
        time.sleep(seconds)
        return {"seconds": seconds}

    TOOLS["process_id"] = lambda: {"pid": os.getpid(), "model": len(model)}
    TOOLS["wait"] = wait


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=("sync", "aio", "native", "front"), required=True)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--model", type=int, default=0, metavar="MIB", help=add_model.__doc__)
    parser.add_argument("--heavy", action="store_true", help=add_heavy.__doc__)
    options = parser.parse_args()
    if options.model:
        add_model(options.model)
    if options.heavy:
        add_heavy()
    if options.kind == "sync":
        serve_sync(grpc.server, options.port_file, options.threads)
    elif options.kind == "native":
        import pygrpc_native

        serve_sync(pygrpc_native.server, options.port_file, options.threads)
    elif options.kind == "front":
        serve_front(options.port_file, options.threads)
    else:
        asyncio.run(serve_aio(options.port_file))


if __name__ == "__main__":
    main()
