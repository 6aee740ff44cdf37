"""Mixed calls from many threads over several connections, each answer checked.

A worker thread has one session after the other, and now and then a connection of its own. What a
call gave that it should not have is kept as text; anything of the kind fails the soak.
Must never import grpcio: the load runs wherever ftbridge does.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from ftbridge.rpc import Channel, RpcError, StatusCode
from ftbridge.wire import messages as m
from ftbridge.wire.values import decode_value, encode_value

SERVICE: Final = "/snakepit.bridge.BridgeService/"

CALL_SECONDS: Final = 60.0
"""Deadline of calls that are to succeed: a hang ends as an error."""

SHORT_SECONDS: Final = 0.02
"""Deadline of calls that are to miss it."""

CALLS_PER_SESSION: Final = 200
CALLS_PER_CONNECTION: Final = 500
STREAM_CHUNKS: Final = 8

MAX_WRONG: Final = 20
"""Surprises whose text is kept, of each worker."""

MIX: Final = {
    "unary": 55,
    "async": 8,
    "stream": 12,
    "error": 8,
    "bad arguments": 5,
    "broken stream": 4,
    "left stream": 5,
    "deadline": 3,
}
"""Kinds of calls, and how many of a hundred."""


class WrongAnswer(Exception):  # noqa: N818 - a finding, not an error of ours
    """A call gave something else than it should have."""


class Worker(threading.Thread):
    """Makes ``calls`` calls, one after the other.

    Args:
        address: of the server.
        seed: decides the order of the calls.
    """

    def __init__(self, address: str, calls: int, seed: int) -> None:
        super().__init__(name=f"soak-{seed}", daemon=True)
        self._address = address
        self._calls = calls
        self._random = random.Random(seed)
        self._seed = seed
        self._channel: Channel | None = None
        self._session = ""
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.wrong_count = 0

    def run(self) -> None:
        kinds, weights = list(MIX), list(MIX.values())
        try:
            for n in range(self._calls):
                if n % CALLS_PER_CONNECTION == 0:
                    self._connect()
                if n % CALLS_PER_SESSION == 0:
                    self._next_session(n)
                [kind] = self._random.choices(kinds, weights)
                try:
                    _KINDS[kind](self, n)
                except (WrongAnswer, RpcError, ValueError) as error:
                    self._note(f"{kind}: {type(error).__name__}: {error}")
                self.done[kind] += 1
            self._end_session()
        except Exception as error:  # noqa: BLE001 - the thread's end must say why
            self._note(f"worker {self._seed} ended early: {type(error).__name__}: {error}")
        finally:
            if self._channel is not None:
                self._channel.close()

    def _note(self, text: str) -> None:
        self.wrong_count += 1
        if len(self.wrong) < MAX_WRONG:
            self.wrong.append(text)

    def _connect(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel = Channel(self._address)

    def _next_session(self, n: int) -> None:
        self._end_session()
        self._session = f"soak-{self._seed}-{n}"
        request = m.InitializeSessionRequest(session_id=self._session)
        self._unary("InitializeSession", request.encode())

    def _end_session(self) -> None:
        if self._session:
            request = m.CleanupSessionRequest(session_id=self._session)
            answer = self._unary("CleanupSession", request.encode())
            cleaned = m.CleanupSessionResponse.decode(answer).resources_cleaned
            _expect(cleaned == 1, f"session {self._session} had gone: {cleaned} cleaned")
            self._session = ""

    # --- the wire -------------------------------------------------------------------------------

    def _unary(self, method: str, request: bytes, timeout: float = CALL_SECONDS) -> bytes:
        assert self._channel is not None
        return self._channel.unary(SERVICE + method, request, timeout=timeout)

    def _request(self, tool: str, arguments: dict[str, object]) -> bytes:
        return m.ExecuteToolRequest(
            session_id=self._session,
            tool_name=tool,
            parameters={name: encode_value(value) for name, value in arguments.items()},
            metadata={"correlation_id": f"soak-{self._seed}"},
        ).encode()

    def _execute(
        self, tool: str, timeout: float = CALL_SECONDS, **arguments: object
    ) -> m.ExecuteToolResponse:
        answer = self._unary("ExecuteTool", self._request(tool, arguments), timeout)
        return m.ExecuteToolResponse.decode(answer)

    def _stream(self, tool: str, **arguments: object) -> Iterator[m.ToolChunk]:
        assert self._channel is not None
        call = self._channel.unary_stream(
            SERVICE + "ExecuteStreamingTool", self._request(tool, arguments), timeout=CALL_SECONDS
        )
        try:
            for data in call:
                yield m.ToolChunk.decode(data)
        finally:
            call.close()

    # --- kinds of calls -------------------------------------------------------------------------

    def unary(self, n: int) -> None:
        answer = self._execute("echo", text="soak", count=n)
        _expect(answer.success, answer.error_message)
        assert answer.result is not None
        value = decode_value(answer.result)
        _expect(value == {"text": "soak", "count": n}, f"echo gave {value!r}")

    def from_coroutine(self, n: int) -> None:
        answer = self._execute("later", text=str(n))
        _expect(answer.success, answer.error_message)
        assert answer.result is not None
        _expect(decode_value(answer.result) == str(n), "another text came back")

    def stream(self, n: int) -> None:
        got = [json.loads(chunk.data)["i"] for chunk in self._stream("count", n=STREAM_CHUNKS)]
        _expect(got == list(range(STREAM_CHUNKS)), f"count gave {got}")

    def error(self, n: int) -> None:
        answer = self._execute("fail", text="on purpose")
        _expect(not answer.success, "fail succeeded")
        told = json.loads(answer.error_message)
        _expect(told["type"] == "ValueError", f"fail raised {told['type']}")

    def bad_arguments(self, n: int) -> None:
        answer = self._execute("echo", text=1)
        _expect(not answer.success, "echo took a number for text")
        _expect("count" in answer.error_message, f"refused for {answer.error_message}")

    def broken_stream(self, n: int) -> None:
        got = 0
        try:
            for _ in self._stream("breaks", n=3):
                got += 1
        except RpcError as error:
            _expect(error.code is StatusCode.INTERNAL, f"broke with {error.code.name}")
            _expect(got == 3, f"broke after {got} chunks")
            return
        raise WrongAnswer("a broken stream ended well")

    def left_stream(self, n: int) -> None:
        stream = self._stream("endless")
        for _ in range(3):
            next(stream)
        stream.close()  # type: ignore[attr-defined]  # a generator

    def deadline(self, n: int) -> None:
        try:
            answer = self._execute("wait", SHORT_SECONDS)
        except RpcError as error:
            _expect(error.code is StatusCode.DEADLINE_EXCEEDED, f"ended with {error.code.name}")
            return
        raise WrongAnswer(f"a missed deadline gave success={answer.success}")


_KINDS: Final[dict[str, Callable[[Worker, int], None]]] = {
    "unary": Worker.unary,
    "async": Worker.from_coroutine,
    "stream": Worker.stream,
    "error": Worker.error,
    "bad arguments": Worker.bad_arguments,
    "broken stream": Worker.broken_stream,
    "left stream": Worker.left_stream,
    "deadline": Worker.deadline,
}


def _expect(right: bool, otherwise: str) -> None:
    if not right:
        raise WrongAnswer(otherwise)
