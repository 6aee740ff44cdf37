"""Workers started the way a Snakepit host starts them: a pipe for input, a ready file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ftbridge.compat.python_wrapper import SCRIPTS
from ftbridge.rpc import Channel
from ftbridge.wire import messages

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WAIT = 30.0  # seconds; only ever used up when something is broken
SERVICE = "/snakepit.bridge.BridgeService"

PROCESS_SCRIPT = SCRIPTS / "grpc_server.py"
THREADED_SCRIPT = SCRIPTS / "grpc_server_threaded.py"


def environment(**extra: str) -> dict[str, str]:
    """The BEAM's, with the checkout and the test adapters importable."""
    paths = [str(ROOT), str(ROOT / "locks"), str(HERE)]
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEPIT_", "FTBRIDGE_W"))}
    return {**plain, "PYTHONPATH": os.pathsep.join(paths), "SNAKEPIT_PROCESS_GROUP": "1", **extra}


@dataclass
class Worker:
    """A started worker or launcher."""

    process: subprocess.Popen[str]
    ready_file: Path
    log: Path
    channels: list[Channel] = field(default_factory=list)

    def port(self) -> int:
        """Wait for the ready file, as the host does: a number, and the file is deleted."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            try:
                text = self.ready_file.read_text().strip()
            except FileNotFoundError:
                text = ""
            if text:
                self.ready_file.unlink()
                return int(text)
            assert self.process.poll() is None, f"it ended: {self.output()}"
            time.sleep(0.01)
        raise AssertionError(f"never ready: {self.output()}")

    def connect(self) -> Channel:
        """A channel to the port of the ready file; may be asked for once."""
        channel = Channel(f"127.0.0.1:{self.port()}")
        self.channels.append(channel)
        return channel

    def output(self) -> str:
        return self.log.read_text()

    def wait(self) -> int:
        return self.process.wait(WAIT)


@contextmanager
def started(
    folder: Path,
    *arguments: str,
    script: Path = PROCESS_SCRIPT,
    name: str = "worker_1",
    env: Mapping[str, str] | None = None,
    command: list[str] | None = None,
) -> Iterator[Worker]:
    """A worker, killed with its group at the end if it still runs."""
    ready = folder / f"snakepit_ready_{name}_7"
    log = folder / f"{name}.log"
    line = command or [sys.executable, str(script)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*line, *arguments],
            env=environment(SNAKEPIT_READY_FILE=str(ready), **(env or {})),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            start_new_session=True,  # as erl_child_setup leaves a port's process
        )
    worker = Worker(process, ready, log)
    try:
        yield worker
    finally:
        for channel in worker.channels:
            channel.close()
        process.kill()
        process.wait(WAIT)
        assert process.stdin is not None
        process.stdin.close()


def execute(
    channel: Channel, tool: str, timeout: float | None = WAIT, **arguments: object
) -> messages.ExecuteToolResponse:
    """`ExecuteTool` with the host's encoding of parameters."""
    request = messages.ExecuteToolRequest(
        session_id="session_1_1",
        tool_name=tool,
        parameters={
            key: messages.Any(
                type_url="type.googleapis.com/google.protobuf.StringValue",
                value=json.dumps(value).encode(),
            )
            for key, value in arguments.items()
        },
    )
    answer = channel.unary(f"{SERVICE}/ExecuteTool", request.encode(), timeout=timeout)
    return messages.ExecuteToolResponse.decode(answer)
