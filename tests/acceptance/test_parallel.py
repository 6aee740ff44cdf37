"""CPU-bound tools truly run at once, and the server answers meanwhile."""

from __future__ import annotations

import os
import sysconfig
import threading

import pytest
from acceptance.acceptance_adapter import PARTIES
from acceptance.process import WAIT, served

from ftbridge.rpc import Channel
from ftbridge.wire import messages
from ftbridge.wire.values import decode_value, encode_value

BRIDGE = "/snakepit.bridge.BridgeService/"
ROUNDS = 300_000  # tens of milliseconds a call
PINGS = 20

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(
        not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="needs a free-threaded build"
    ),
]


def test_eight_calls_overlap_on_eight_threads_and_ping_answers(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    arguments = {"rounds": ROUNDS, "fifo": str(fifo)}
    request = messages.ExecuteToolRequest(
        session_id="s",
        tool_name="overlap",
        parameters={key: encode_value(value) for key, value in arguments.items()},
    ).encode()
    with (
        served(tmp_path, "--threads", str(PARTIES)) as server,
        Channel(server.address) as channel,
    ):
        calls = [
            channel.unary_stream(BRIDGE + "ExecuteTool", request, timeout=WAIT)
            for _ in range(PARTIES)
        ]
        ping = messages.PingRequest(message="p").encode()
        # All handlers are inside, or about to be: none can end before the FIFO is written.
        for _ in range(PINGS):
            assert channel.unary(BRIDGE + "Ping", ping, timeout=WAIT)
        assert not any(call.done for call in calls)
        opener = threading.Thread(target=fifo.write_text, args=("go",))
        opener.start()
        replies = [messages.ExecuteToolResponse.decode(call.result()) for call in calls]
        opener.join(WAIT)
    assert [reply.error_message for reply in replies if not reply.success] == []
    results = [decode_value(reply.result) for reply in replies]
    assert len({result["thread"] for result in results}) == PARTIES
    assert len({result["total"] for result in results}) == 1
