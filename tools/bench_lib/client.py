"""The official grpcio client, as judge: what answers it was really served.

The load itself is h2load's, which sees bytes and not answers. Must never import ftbridge, but for
the generated messages.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

import grpc

from ftbridge.wire.proto import snakepit_bridge_pb2 as pb

from .errors import BenchError
from .request import (
    EXECUTE_STREAMING_TOOL,
    EXECUTE_TOOL,
    PING,
    PREFIX_BYTES,
    execute_request,
    least_answer_bytes,
)
from .workloads import Workload

CALL_SECONDS = 60.0
"""Deadline of each call: a hang ends as an error."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave: DATA bytes at the least, and its value or the values of its chunks."""

    least_bytes: int
    values: tuple[bytes, ...]


class Client:
    """One connection to a server on 127.0.0.1. Use as a context manager."""

    def __init__(self, port: int, *, name: str) -> None:
        self.port = port
        self._name = name
        # A subchannel of its own for each client: grpcio shares connections between channels.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._execute = self._channel.unary_unary(
            EXECUTE_TOOL,
            request_serializer=pb.ExecuteToolRequest.SerializeToString,
            response_deserializer=pb.ExecuteToolResponse.FromString,
        )
        self._stream = self._channel.unary_stream(
            EXECUTE_STREAMING_TOOL,
            request_serializer=pb.ExecuteToolRequest.SerializeToString,
            response_deserializer=pb.ToolChunk.FromString,
        )
        self._ping = self._channel.unary_unary(
            PING,
            request_serializer=pb.PingRequest.SerializeToString,
            response_deserializer=pb.PingResponse.FromString,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._channel.close()

    def execute(self, request: pb.ExecuteToolRequest) -> pb.ExecuteToolResponse:
        """The whole answer to a call that succeeded.

        Raises:
            BenchError: it did not.
        """
        return self._checked(self.start(request), request.tool_name)

    def answer(self, workload: Workload) -> Answer:
        """What one call of this kind gives.

        Raises:
            BenchError: it did not succeed.
        """
        request = workload.request()
        if not workload.streaming:
            unary = self.execute(request)
            return Answer(least_answer_bytes(unary), (unary.result.value + unary.binary_result,))
        try:
            chunks = list(self._stream(request, timeout=CALL_SECONDS))
        except grpc.RpcError as error:
            raise BenchError(f"{self._name}: {workload.name}: {error}") from None
        size = sum(PREFIX_BYTES + chunk.ByteSize() for chunk in chunks)
        return Answer(size, tuple(chunk.data for chunk in chunks if chunk.data))

    def start(self, request: pb.ExecuteToolRequest) -> Any:
        """A grpc future of an ExecuteTool call, for `result`."""
        return self._execute.future(request, timeout=CALL_SECONDS)

    def result(self, future: Any, tool: str) -> dict[str, Any]:
        """The object that a call gave; raises as `execute`."""
        answer: dict[str, Any] = json.loads(self._checked(future, tool).result.value)
        return answer

    def tool(self, name: str, **arguments: object) -> dict[str, Any]:
        """Call a tool; raises as `execute`."""
        return self.result(self.start(execute_request(name, arguments)), name)

    def ping(self) -> None:
        """One Ping; raises as `execute`."""
        try:
            answer = self._ping(pb.PingRequest(message="bench"), timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise BenchError(f"{self._name}: Ping: {error}") from None
        if not answer.HasField("server_time"):
            raise BenchError(f"{self._name}: Ping was answered without a time: {answer}")

    def _checked(self, future: Any, tool: str) -> pb.ExecuteToolResponse:
        try:
            answer: pb.ExecuteToolResponse = future.result()
        except grpc.RpcError as error:
            raise BenchError(f"{self._name}: tool {tool}: {error}") from None
        if not answer.success:
            raise BenchError(f"{self._name}: tool {tool} failed: {answer.error_message}")
        return answer
