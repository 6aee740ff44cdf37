"""One round of `tools/bench codec` on one interpreter, in a process of its own; prints JSON.

    python -m tools.bench_lib.codec_worker ours|protobuf

Which protobuf that is, the environment says (PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION). Must never
import a transport: it runs on both builds. Both codecs are asked for the same: octets to a message
whose every field has been read into plain Python values, and plain values to octets. upb would
otherwise not have looked at what it has not been asked for, and ours has.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from time import perf_counter_ns as clock
from typing import Any, Final

from tools.bench_lib.workloads import FOUR_KIB, SMALL

CHUNK_NS: Final = 2_000_000
"""Timed in one go; often passes undisturbed."""

CHUNKS: Final = 25
"""Of each kind, taking turns. The shortest counts: neighbours and interrupts only add."""

URL: Final = "type.googleapis.com/google.protobuf.StringValue"
RESULTS: Final = {
    "small": b'{"text": "hello from the benchmark", "count": 42}',
    "4k": json.dumps({"text": "payload " * 512, "count": 42}).encode(),
}
REQUESTS: Final = {
    each.name: each.request().SerializeToString(deterministic=True) for each in (SMALL, FOUR_KIB)
}

VALUES: Final = {name: json.loads(result) for name, result in RESULTS.items()}

type Step = Callable[[], object]


def ours() -> dict[str, Step]:
    """The generated codec."""
    from ftbridge.bridge.parameters import read_arguments
    from ftbridge.wire import messages as wire
    from ftbridge.wire.policy import DEFAULT_POLICY
    from ftbridge.wire.values import to_result

    def arguments(data: bytes) -> object:
        return read_arguments(wire.ExecuteToolRequest.decode(data), DEFAULT_POLICY)

    def respond(value: object) -> bytes:
        result, binary = to_result(value, DEFAULT_POLICY)
        return wire.ExecuteToolResponse(
            success=True, result=result, binary_result=binary, execution_time_ms=3
        ).encode()

    def decode(data: bytes) -> object:
        request = wire.ExecuteToolRequest.decode(data)
        parameters = {name: value.value for name, value in request.parameters.items()}
        return (request.session_id, request.tool_name, parameters, request.stream)

    def encode(result: bytes) -> bytes:
        value = wire.Any(type_url=URL, value=result)
        return wire.ExecuteToolResponse(success=True, result=value, execution_time_ms=3).encode()

    def chunk() -> bytes:
        return wire.ToolChunk(chunk_id="count-7", data=b'{"number": 7}').encode()

    return _steps(decode, encode, chunk, arguments, respond)


def protobuf() -> dict[str, Step]:
    """google.protobuf, whichever implementation is loaded."""
    from ftbridge.wire.proto import snakepit_bridge_pb2 as pb

    def arguments(data: bytes) -> object:
        request = pb.ExecuteToolRequest.FromString(data)
        return {name: json.loads(value.value) for name, value in request.parameters.items()}

    def respond(value: object) -> bytes:
        return encode(json.dumps(value).encode())

    def decode(data: bytes) -> object:
        request = pb.ExecuteToolRequest.FromString(data)
        parameters = {name: value.value for name, value in request.parameters.items()}
        return (request.session_id, request.tool_name, parameters, request.stream)

    def encode(result: bytes) -> bytes:
        response = pb.ExecuteToolResponse(success=True, execution_time_ms=3)
        response.result.type_url = URL
        response.result.value = result
        return response.SerializeToString()

    def chunk() -> bytes:
        return pb.ToolChunk(chunk_id="count-7", data=b'{"number": 7}').SerializeToString()

    return _steps(decode, encode, chunk, arguments, respond)


def _steps(
    decode: Callable[[bytes], object],
    encode: Callable[[bytes], bytes],
    chunk: Step,
    arguments: Callable[[bytes], object],
    respond: Callable[[object], bytes],
) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    for size, request in REQUESTS.items():
        steps[f"decode request, {size}"] = functools.partial(decode, request)
        steps[f"encode response, {size}"] = functools.partial(encode, RESULTS[size])
    steps["encode chunk"] = chunk
    for size, request in REQUESTS.items():
        steps[f"request to arguments, {size}"] = functools.partial(arguments, request)
        steps[f"value to response, {size}"] = functools.partial(respond, VALUES[size])
    return steps


def measure(steps: dict[str, Step], chunks: int = CHUNKS) -> dict[str, float]:
    """Microseconds of each step, its call included."""
    counts = {name: max(1, int(CHUNK_NS / _once(step))) for name, step in steps.items()}
    best: dict[str, float] = {}
    for _ in range(chunks):
        for name, step in steps.items():
            count = counts[name]
            began = clock()
            for _ in range(count):
                step()
            took = (clock() - began) / count / 1000
            best[name] = min(took, best.get(name, took))
    return best


def _once(step: Step) -> float:
    for _ in range(200):  # caches, and the interpreter's own warm-up
        step()
    began = clock()
    step()
    return max(clock() - began, 1)


def main() -> None:
    kind = sys.argv[1]
    found: dict[str, Any] = {"codec": "generated"}
    if kind == "protobuf":
        from google.protobuf.internal import api_implementation

        found = {"codec": api_implementation.Type()}
    found["gil"] = sys._is_gil_enabled()
    found["us"] = measure(ours() if kind == "ours" else protobuf())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
