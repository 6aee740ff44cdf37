"""Debian's nghttp2 tools against our server: load without a failure, frames without an error."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.process import WAIT, Server, served

from ftbridge.wire import messages
from ftbridge.wire.values import encode_value

CALLS = int(os.environ.get("FTBRIDGE_H2LOAD_CALLS", "50000"))
BRIDGE = "/snakepit.bridge.BridgeService/"
SHORTEST_ANSWER = 5 + 2 + 2  # octets: gRPC's prefix, and a message with a field or two


def program(name: str) -> str:
    found = shutil.which(name)
    return found or pytest.skip(f"{name} is missing: apt-get install nghttp2-client")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("server")) as running:
        yield running


def framed(folder: Path, message: bytes) -> Path:
    path = folder / "body"
    path.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return path


@pytest.fixture
def ping(tmp_path) -> Path:
    return framed(tmp_path, messages.PingRequest(message="load").encode())


@pytest.fixture
def add(tmp_path) -> Path:
    parameters = {"a": encode_value(20), "b": encode_value(22)}
    request = messages.ExecuteToolRequest(session_id="load", tool_name="add", parameters=parameters)
    return framed(tmp_path, request.encode())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("connections", [1, 4, 100])
@pytest.mark.parametrize("method", ["Ping", "ExecuteTool"])
def test_h2load_finishes_every_call(server, request, method, connections):
    body = request.getfixturevalue("ping" if method == "Ping" else "add")
    command = [
        *(program("h2load"), "-n", str(CALLS), "-c", str(connections), "-m", "10", "-t", "1"),
        *("-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"),
        f"http://{server.address}{BRIDGE}{method}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    assert (
        f"requests: {CALLS} total, {CALLS} started, {CALLS} done, {CALLS} succeeded, "
        "0 failed, 0 errored, 0 timeout"
    ) in done.stdout
    assert f"status codes: {CALLS} 2xx, 0 3xx, 0 4xx, 0 5xx" in done.stdout
    # A gRPC error is HTTP 200 too, but it carries no message.
    data = re.search(r"\((\d+)\) data", done.stdout)
    assert data is not None
    assert int(data[1]) >= CALLS * SHORTEST_ANSWER


def test_nghttp_prints_clean_frames(server, ping):
    command = [
        *(program("nghttp"), "-v", "-n", "-d", str(ping)),
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        f"http://{server.address}{BRIDGE}Ping",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=True)
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert done.stderr == ""
    received = re.findall(r"recv (\S+) frame <(.*)>", text)
    kinds = [kind for kind, _ in received]
    assert kinds.count("HEADERS") == 2, text  # the head and the trailers
    assert kinds.count("DATA") >= 1, text
    assert kinds.count("SETTINGS") == 2, text  # the server's own, and its acknowledgement
    assert not {"RST_STREAM", "GOAWAY"} & set(kinds), text
    assert "grpc-status: 0" in text
    assert ":status: 200" in text
    # nghttp itself ends with a GOAWAY, which carries what it thinks of our frames.
    sent = text[text.index("send GOAWAY frame") :]
    assert "error_code=NO_ERROR(0x00)" in sent, text
    assert "INVALID" not in text.upper()
