"""The official grpcio client against a running server: ``grpcio_client.py ADDRESS CHECK [FIFO]``.

Runs in a process of its own, on an interpreter with grpcio; exit status 0 when the check holds.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from typing import Any

import grpc
from google.protobuf import any_pb2

from ftbridge.wire.proto import snakepit_bridge_pb2 as pb
from ftbridge.wire.proto.grpc.health.v1 import health_pb2
from ftbridge.wire.proto.grpc.reflection.v1 import reflection_pb2

WAIT = 30.0
BRIDGE = "/snakepit.bridge.BridgeService/"
HEALTH = "/grpc.health.v1.Health/"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
OPTIONS = [
    ("grpc.max_receive_message_length", 100 << 20),
    ("grpc.max_send_message_length", 100 << 20),
]


def unary(channel: grpc.Channel, path: str, reply: Any) -> Any:
    return channel.unary_unary(
        path, request_serializer=lambda m: m.SerializeToString(), response_deserializer=reply
    )


def ping(channel: grpc.Channel, text: str = "hi", **options: Any) -> Any:
    call = unary(channel, BRIDGE + "Ping", pb.PingResponse.FromString)
    return call(pb.PingRequest(message=text), **{"timeout": WAIT, **options})


def execute(channel: grpc.Channel) -> Any:
    return unary(channel, BRIDGE + "ExecuteTool", pb.ExecuteToolResponse.FromString)


def stream(channel: grpc.Channel) -> Any:
    return channel.unary_stream(
        BRIDGE + "ExecuteStreamingTool",
        request_serializer=pb.ExecuteToolRequest.SerializeToString,
        response_deserializer=pb.ToolChunk.FromString,
    )


def request(tool: str, **arguments: Any) -> Any:
    binary = {k: v for k, v in arguments.items() if isinstance(v, bytes)}
    values = {
        key: any_pb2.Any(
            type_url="type.googleapis.com/google.protobuf.StringValue",
            value=json.dumps(value).encode(),
        )
        for key, value in arguments.items()
        if key not in binary
    }
    return pb.ExecuteToolRequest(
        session_id="s1", tool_name=tool, parameters=values, binary_parameters=binary
    )


def failure(call: Any) -> tuple[str, str]:
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError("the call did not fail")


def check_unary(channel: grpc.Channel) -> None:
    assert ping(channel).message
    reply = execute(channel)(request("add", a=20, b=22), timeout=WAIT)
    assert reply.success, reply.error_message
    assert json.loads(reply.result.value) == 42


def check_server_stream(channel: grpc.Channel) -> None:
    chunks = list(stream(channel)(request("count", n=100), timeout=WAIT))
    data = [json.loads(chunk.data) for chunk in chunks if chunk.data]
    assert data == list(range(100)), data
    assert chunks[-1].is_final


def check_telemetry(channel: grpc.Channel) -> None:
    ended = threading.Event()

    def controls() -> Any:
        yield pb.TelemetryControl(toggle=pb.TelemetryToggle(enabled=True))
        ended.wait(WAIT)

    events = channel.stream_stream(
        BRIDGE + "StreamTelemetry",
        request_serializer=pb.TelemetryControl.SerializeToString,
        response_deserializer=pb.TelemetryEvent.FromString,
    )(controls(), timeout=WAIT)
    seen: list[str] = []
    arrived = threading.Event()

    def read() -> None:
        try:
            for event in events:
                seen.append(".".join(event.event_parts))
                if seen[-1] == "tool.execution.stop":
                    arrived.set()
        except grpc.RpcError:
            pass  # its code is looked at below

    reader = threading.Thread(target=read)
    reader.start()
    deadline = time.monotonic() + WAIT
    while not arrived.is_set() and time.monotonic() < deadline:
        check_unary(channel)
    events.cancel()
    ended.set()
    reader.join(WAIT)
    assert events.code() is grpc.StatusCode.CANCELLED, events.code()
    assert arrived.is_set(), seen
    assert "tool.execution.start" in seen, seen


def check_reflection(channel: grpc.Channel) -> None:
    call = channel.stream_stream(
        REFLECTION,
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    ask = reflection_pb2.ServerReflectionRequest
    requests = [ask(list_services=""), ask(file_containing_symbol="snakepit.bridge.BridgeService")]
    services, files = list(call(iter(requests), timeout=WAIT))
    names = {service.name for service in services.list_services_response.service}
    assert {"snakepit.bridge.BridgeService", "grpc.health.v1.Health"} <= names, names
    assert files.file_descriptor_response.file_descriptor_proto


def check_health(channel: grpc.Channel) -> None:
    serving = health_pb2.HealthCheckResponse.SERVING
    check = unary(channel, HEALTH + "Check", health_pb2.HealthCheckResponse.FromString)
    for name in ("", "snakepit.bridge.BridgeService"):
        assert check(health_pb2.HealthCheckRequest(service=name), timeout=WAIT).status == serving
    unknown = health_pb2.HealthCheckRequest(service="nothing")
    assert failure(lambda: check(unknown, timeout=WAIT))[0] == "NOT_FOUND"
    watch = channel.unary_stream(
        HEALTH + "Watch",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )(health_pb2.HealthCheckRequest(), timeout=WAIT)
    assert next(watch).status == serving
    watch.cancel()


def check_large(channel: grpc.Channel) -> None:
    data = bytes(range(256)) * (20 * (1 << 20) // 256)
    reply = execute(channel)(request("blob", data=data), timeout=WAIT)
    assert reply.success, reply.error_message
    assert reply.binary_result == data


def check_many_streams(channel: grpc.Channel) -> None:
    """500 streams, all open before the first is read to its end."""
    open_call = stream(channel)
    calls = [open_call(request("count", n=50), timeout=WAIT) for _ in range(500)]
    for chunks in itertools.zip_longest(*calls):
        assert all(chunk is not None for chunk in chunks), "streams of different lengths"
    assert all(call.code() is grpc.StatusCode.OK for call in calls)


def check_many_unary(channel: grpc.Channel) -> None:
    futures = [execute(channel).future(request("add", a=n, b=1), timeout=WAIT) for n in range(500)]
    assert [json.loads(f.result().result.value) for f in futures] == list(range(1, 501))


def check_deadline(channel: grpc.Channel, fifo: str) -> None:
    call = request("until_cancelled", fifo=fifo)
    assert failure(lambda: execute(channel)(call, timeout=1.0))[0] == "DEADLINE_EXCEEDED"
    with open(fifo) as end:  # noqa: PTH123
        assert end.read() == "cancelled"
    assert failure(lambda: execute(channel)(call, timeout=0))[0] == "DEADLINE_EXCEEDED"


def check_cancel(channel: grpc.Channel, fifo: str) -> None:
    chunks = stream(channel)(request("endless", fifo=fifo), timeout=WAIT)
    next(chunks)
    chunks.cancel()
    with open(fifo) as end:  # noqa: PTH123
        assert end.read() == "closed"


def check_errors(channel: grpc.Channel) -> None:
    reply = execute(channel)(request("fail", message="no \u2014 100%"), timeout=WAIT)
    assert not reply.success
    assert json.loads(reply.error_message)["type"] == "ValueError"
    assert not execute(channel)(request("nothing"), timeout=WAIT).success
    code, _ = failure(lambda: list(stream(channel)(request("nothing"), timeout=WAIT)))
    assert code == "NOT_FOUND", code
    code, details = failure(lambda: list(stream(channel)(request("fail", message="x"))))
    assert code != "OK", details
    missing = unary(channel, BRIDGE + "Missing", pb.PingResponse.FromString)
    assert failure(lambda: missing(pb.PingRequest(), timeout=WAIT))[0] == "UNIMPLEMENTED"
    raw = channel.unary_unary(BRIDGE + "Ping")
    assert failure(lambda: raw(b"\xff\xff", timeout=WAIT))[0] == "INTERNAL"
    assert ping(channel).message


def check_gzip(channel: grpc.Channel) -> None:
    gzip = grpc.Compression.Gzip
    assert ping(channel, "x" * 100_000, compression=gzip).message
    data = bytes(1 << 20)
    reply = execute(channel)(request("blob", data=data), timeout=WAIT, compression=gzip)
    assert reply.binary_result == data


def check_metadata(channel: grpc.Channel) -> None:
    metadata = (("x-key", "v"), ("x-raw-bin", b"\x00\xff"), ("x-key", "w"))
    assert ping(channel, metadata=metadata).message


def _gated(channel: grpc.Channel, fifo: str) -> Any:
    chunks = stream(channel)(request("gated", fifo=fifo), timeout=WAIT)
    assert next(chunks).data == b"running"
    print("running", flush=True)  # the test acts now
    return chunks


def check_killed(channel: grpc.Channel, fifo: str) -> None:
    chunks = _gated(channel, fifo)
    began = time.monotonic()
    assert failure(lambda: list(chunks))[0] == "UNAVAILABLE"
    assert time.monotonic() - began < WAIT / 2


def check_drained(channel: grpc.Channel, fifo: str) -> None:
    data = [chunk.data for chunk in _gated(channel, fifo) if chunk.data]
    assert data == [b"finished"], data
    # A call that crosses the GOAWAY on its way is still served; the next ones are not.
    assert failure(lambda: [ping(channel) for _ in range(1000)])[0] == "UNAVAILABLE"


def main(address: str, check: str, *arguments: str) -> None:
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        globals()[f"check_{check}"](channel, *arguments)
    print("ok", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
