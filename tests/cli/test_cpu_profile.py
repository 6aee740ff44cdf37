"""`serve --profile-cpu`: the tool that computes is what the profile of a served adapter shows."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from cli.test_serve import BRIDGE, Command, Server

from ftbridge.rpc import Channel
from ftbridge.wire import messages

ADAPTER = """
import time

from ftbridge import ThreadSafeAdapter, tool


class Busy(ThreadSafeAdapter):
    __thread_safe__ = True

    @tool
    def burn(self) -> int:
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass
        return 0
"""


def _burn(channel: Channel) -> None:
    request = messages.ExecuteToolRequest(session_id="s", tool_name="burn")
    answer = channel.unary(f"{BRIDGE}/ExecuteTool", request.encode(), timeout=40)
    assert messages.ExecuteToolResponse.decode(answer).success


def _burnt(folder: Path) -> int:
    """Samples of the tool in the report, if there is one."""
    report = folder / "cpu.json"
    if not report.exists():
        return 0
    told = json.loads(report.read_text())
    return sum(s["samples"] for s in told["stacks"] if s["frames"][-1][0] == "Busy.burn")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "busy.py").write_text(ADAPTER)
    return tmp_path


def test_the_tool_that_computes_is_on_top_at_a_signal_and_at_the_end(folder: Path) -> None:
    server = Server(folder, "--adapter", "busy:Busy", "--profile-cpu=cpu.json", "--profile-locks")
    try:
        with Channel(server.address) as channel:
            limit = time.monotonic() + 40
            while _burnt(folder) < 5 and time.monotonic() < limit:  # a busy machine gives few
                _burn(channel)
                server.process.send_signal(signal.SIGUSR1)
                assert server.process.stderr is not None
                said = {server.process.stderr.readline().split(":")[0] for _ in range(2)}
                assert said == {"CPU profile", "Lock report"}  # neither takes the other's signal
        status, err = server.stop()
    finally:
        server.process.kill()
        server.process.communicate()

    assert status == 0
    assert "CPU profile: cpu.json (" in err
    assert "in Busy.burn)" in err
    assert _burnt(folder) >= 5


@pytest.mark.parametrize(
    ("value", "said"),
    [("cpu.csv", "cannot tell the format"), ("none/cpu.svg", "there is no folder none")],
)
def test_a_file_that_cannot_be_written_is_refused_at_once(
    folder: Path, value: str, said: str
) -> None:
    command = Command(folder, "serve", "--adapter", "busy:Busy", f"--profile-cpu={value}")

    assert command.status == 2
    assert said in command.err
