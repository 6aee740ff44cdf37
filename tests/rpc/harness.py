"""A service with a method of each kind and its misbehaviours, served in-process, and two clients.

`RawClient` speaks through the reference `h2` package, so that what our channel would not send, or
would forgive, is seen too.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events

from ftbridge.rpc import (
    Channel,
    Method,
    MethodKind,
    NativeServer,
    RpcError,
    ServerOptions,
    StatusCode,
    create_server,
)
from ftbridge.rpc.cost import Cost

WAIT = 20.0  # seconds; only ever used up when something is broken


def as_text(data: bytes) -> str:
    return data.decode("ascii")


class Service:
    """The methods; handlers meet the test at its semaphores and events."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.done = threading.Event()
        self.closed = threading.Event()
        self.cost = Cost()  # of Quick
        self.calls: list[Any] = []
        self.started: list[str] = []
        self.yielded = 0
        self.taken = 0

    def open_gates(self) -> None:
        self.release.set()
        self.done.set()

    def methods(self) -> list[Method]:
        def method(name: str, kind: MethodKind, handler: Any, **options: Any) -> Method:
            return Method(
                path=f"/t.T/{name}",
                kind=kind,
                handler=handler,
                decode=as_text,
                encode=str.encode,
                **options,
            )

        unary, stream_out = MethodKind.UNARY, MethodKind.SERVER_STREAM
        stream_in, bidi = MethodKind.CLIENT_STREAM, MethodKind.BIDI
        return [
            method("Upper", unary, self.upper),
            method("Ping", unary, self.ping, inline=True),
            method("Fail", unary, self.fail),
            method("Block", unary, self.block),
            method("Wait", unary, self.wait),
            method("Quick", unary, self.quick, cost_of=self.cost_of),
            method("UntilDeadline", unary, self.until_deadline),
            method("Patient", unary, self.wait, enforce_deadline=False),
            method("Count", stream_out, self.count),
            method("Flood", stream_out, self.flood),
            method("Endless", stream_out, self.endless),
            method("Held", stream_out, self.held),
            method("Join", stream_in, self.join),
            method("Slow", stream_in, self.slow),
            method("First", stream_in, self.first),
            method("Echo", bidi, self.echo),
            method("Watch", stream_out, self.watch, long_lived=True),
        ]

    def upper(self, text: str, call: Any) -> str:
        self.calls.append(call)
        return text.upper()

    def ping(self, text: str, call: Any) -> str:
        return f"{text} {threading.current_thread().name}"

    def fail(self, text: str, call: Any) -> str:
        if text == "rpc":
            raise RpcError(StatusCode.NOT_FOUND, "gone \u2014 100%\n", (("why", "x"),))
        if text == "long":
            raise RpcError(StatusCode.INTERNAL, "\u00e9" * 50_000)
        if text == "exit":
            raise SystemExit(3)
        if text == "trailer":
            call.set_trailing_metadata((("bad key", "x"),))
            return text
        raise ValueError("broken")

    def block(self, text: str, call: Any) -> str:
        self.started.append(text)
        self.entered.release()
        self.release.wait(WAIT)
        return text

    def cost_of(self, message: bytes) -> Cost | None:
        return None if message == b"unknown" else self.cost

    def until_deadline(self, text: str, call: Any) -> str:
        while call.time_remaining():
            self.release.wait(call.time_remaining())
        return text

    def quick(self, text: str, call: Any) -> str:
        if text == "block":
            self.block(text, call)
        return threading.current_thread().name

    def wait(self, text: str, call: Any) -> str:
        self.calls.append(call)
        call.add_done_callback(self.done.set)
        self.entered.release()
        self.done.wait(WAIT)
        self.closed.set()
        return text

    def count(self, text: str, call: Any) -> Iterator[str]:
        self.calls.append(call)
        call.set_trailing_metadata((("x-last", "2"),))
        for n in range(int(text)):
            yield str(n)
        if text == "2":
            raise RpcError(StatusCode.DATA_LOSS, "lost")

    def flood(self, text: str, call: Any) -> Iterator[str]:
        count, size = text.split("x")
        for _ in range(int(count)):
            self.yielded += 1
            yield "f" * int(size)

    def endless(self, text: str, call: Any) -> Iterator[str]:
        self.calls.append(call)
        call.add_done_callback(self.done.set)
        try:
            while True:
                yield "x" * 1000
        finally:
            self.closed.set()

    def held(self, text: str, call: Any) -> Iterator[str]:
        """One item, then nothing until the gate opens: it cannot notice the end by sending."""
        try:
            yield "first"
            self.release.wait(WAIT)
            yield "second"
        finally:
            self.closed.set()

    def join(self, texts: Iterator[str], call: Any) -> str:
        return "".join(texts)

    def slow(self, texts: Iterator[str], call: Any) -> str:
        self.calls.append(call)
        self.entered.release()
        self.release.wait(WAIT)
        try:
            for _ in texts:
                self.taken += 1
        finally:
            self.closed.set()
        return str(self.taken)

    def first(self, texts: Iterator[str], call: Any) -> str:
        return next(texts)

    def echo(self, texts: Iterator[str], call: Any) -> Iterator[str]:
        for text in texts:
            yield text + "!"

    def watch(self, text: str, call: Any) -> Iterator[str]:
        call.add_done_callback(self.done.set)
        yield "first"
        self.done.wait(WAIT)


@dataclass
class Served:
    """A server, its service, and a channel to it."""

    server: NativeServer
    service: Service
    channel: Channel
    port: int
    raw_clients: list[RawClient] = field(default_factory=list)

    def unary(self, name: str, text: str = "", **options: Any) -> str:
        options.setdefault("timeout", WAIT)
        return self.channel.unary(f"/t.T/{name}", text.encode(), **options).decode()

    def start(self, name: str, text: str = "", **options: Any) -> Any:
        """A call that has been sent; its responses are iterated over, or `result()`."""
        options.setdefault("timeout", WAIT)
        return self.channel.unary_stream(f"/t.T/{name}", text.encode(), **options)

    def raw(self) -> RawClient:
        client = RawClient(self.port)
        self.raw_clients.append(client)
        return client

    def close(self) -> None:
        self.service.open_gates()
        for client in self.raw_clients:
            client.close()
        self.channel.close()
        self.server.stop(0)


def serve(**options: Any) -> Served:
    service = Service()
    server = create_server(
        service.methods(),
        transport="native",
        options=ServerOptions(**{"threads": 2, "reactors": 1, **options}),
    )
    assert isinstance(server, NativeServer)
    port = server.start()
    return Served(server, service, Channel(f"127.0.0.1:{port}"), port)


@dataclass
class Answer:
    """What came back on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> tuple[str | None, str | None]:
        found = self.trailers or self.headers
        return found.get("grpc-status"), found.get("grpc-message")


HEADERS = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/t.T/Upper",
    ":authority": "test",
    "te": "trailers",
    "content-type": "application/grpc",
}


def framed(message: bytes, *, flag: int = 0) -> bytes:
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


class RawClient:
    """One connection of the reference implementation. `credit` False: windows stay as they are."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), WAIT)
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self.credit = True
        self.answers: dict[int, Answer] = {}
        self.pongs = 0
        self.h2.initiate_connection()
        self.flush()

    def close(self) -> None:
        self.sock.close()

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def request(self, body: bytes | None = None, *, end: bool = True, **headers: str) -> int:
        """Send a request; header names have '_' for '-', `path`, `method` are pseudo."""
        fields = dict(HEADERS)
        for name, value in headers.items():
            key = f":{name}" if name in ("path", "method") else name.replace("_", "-")
            fields[key] = value
        stream = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, list(fields.items()), end_stream=body is None and end)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=end)
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.h2.send_data(stream, data, end_stream=end)
        self.flush()

    def answer(self, stream: int) -> Answer:
        """The complete answer of a stream."""
        answer = self.answers[stream]
        while not answer.ended and answer.reset is None:
            assert self.receive(), "the server closed the connection"
        return answer

    def receive(self) -> bool:
        """Read once; False at the end of the connection."""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionError:
            return False
        if not data:
            return False
        for event in self.h2.receive_data(data):
            self._handle(event)
        self.flush()
        return True

    def _handle(self, event: Any) -> None:
        if isinstance(event, h2.events.PingAckReceived):
            self.pongs += 1
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if answer is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            answer.headers = dict(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.data += event.data
            if self.credit and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = event.error_code
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True

    def round_trip(self) -> None:
        """Everything sent before has been handled by the server's reactor when this returns."""
        before = self.pongs
        self.h2.ping(b"roundtrp")
        self.flush()
        while self.pongs == before:
            assert self.receive(), "the server closed the connection"
