"""The calls of the benchmark as messages and as bytes for h2load.

Must never import grpc: the sizes are checked on builds that have no wheel of it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

from ftbridge.wire.proto import snakepit_bridge_pb2 as pb

EXECUTE_TOOL = "/snakepit.bridge.BridgeService/ExecuteTool"
EXECUTE_STREAMING_TOOL = "/snakepit.bridge.BridgeService/ExecuteStreamingTool"
PING = "/snakepit.bridge.BridgeService/Ping"
STRING_VALUE_URL = "type.googleapis.com/google.protobuf.StringValue"

PREFIX_BYTES = 5
"""gRPC over HTTP/2, "Length-Prefixed-Message": one byte of flags, four of length."""


def execute_request(tool: str, arguments: Mapping[str, object]) -> pb.ExecuteToolRequest:
    """A call as a host sends it: each argument is JSON text in an Any."""
    request = pb.ExecuteToolRequest(session_id="bench", tool_name=tool)
    for name, value in arguments.items():
        request.parameters[name].type_url = STRING_VALUE_URL
        request.parameters[name].value = json.dumps(value).encode()
    return request


def echo_request() -> pb.ExecuteToolRequest:
    """The small call that `tools/bench rpc` repeats."""
    return execute_request("echo", {"text": "hello from the benchmark", "count": 42})


def framed(message: bytes) -> bytes:
    """A message as it stands in DATA frames, uncompressed."""
    return struct.pack(">BI", 0, len(message)) + message


def least_answer_bytes(answer: pb.ExecuteToolResponse) -> int:
    """DATA bytes of this answer at its shortest: its time, the one part that varies, not told."""
    shortest = pb.ExecuteToolResponse()
    shortest.CopyFrom(answer)
    shortest.ClearField("execution_time_ms")
    return PREFIX_BYTES + shortest.ByteSize()
