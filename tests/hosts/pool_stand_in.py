"""A stand-in for the Elixir host's pool, on the official grpcio client.

It starts workers, waits for their ready files, sends them one call at a time each, beats their
hearts, gives one up for good at its first failed heartbeat, restarts one that has exited, and stops
them with SIGTERM and, six seconds later, SIGKILL: as the real host was seen to do. `parallel` is a
pool with the parallel worker module, whose calls go around the queue.

Runs in a process of its own (`pool_process.py` starts it and talks to it). Two things it cannot do
as the real one: grpcio gives a call up at its deadline, where the real client waits twice as long;
and its telemetry stream is opened without the 5 s deadline, which grpcio would enforce here.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from bridge_stand_in import MESSAGE_LIMIT, SERVICE, STRING_VALUE, Host, RunningHost
from google.protobuf import any_pb2

from ftbridge.wire.proto import snakepit_bridge_pb2 as pb

SHUTDOWN = frozenset({0, 143})  # statuses before the ready file that mean: not a failed start


@dataclasses.dataclass
class Settings:
    """The host's figures, in seconds; tests may scale them down."""

    heartbeat_interval: float = 2.0
    heartbeat_timeout: float = 10.0
    max_missed: int = 3
    ready_timeout: float = 30.0
    ready_poll: float = 0.05
    health_interval: float = 30.0
    health_timeout: float = 5.0
    stop_timeout: float = 6.0
    restart_pause: float = 0.3
    restarts: int = 3  # of one worker within `restart_window`
    restart_window: float = 5.0
    threads: int = 0  # above 0: the thread profile
    parallel: bool = False
    command: list[str] = dataclasses.field(default_factory=list)  # executable and script
    arguments: list[str] = dataclasses.field(default_factory=list)
    env: dict[str, str] = dataclasses.field(default_factory=dict)


class WorkerNotFoundError(Exception):
    """The pool routes to a worker that it has given up."""


class Worker:
    """One GRPCWorker: a process, a channel, a queue of calls, a heartbeat."""

    def __init__(self, pool: Pool, number: int) -> None:
        self.pool = pool
        self.id = f"default_worker_{number}_{secrets.randbelow(10**6)}"
        self.state = "starting"  # up, lost, failed, stopped
        self.starts: list[float] = []
        self.exits: list[int] = []
        self.beats: list[float] = []  # how long the answers took
        self.events: list[str] = []
        self.output = b""
        self.calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.session = ""
        self.channel: grpc.Channel | None = None
        self._over = threading.Event()
        threading.Thread(target=self._work, daemon=True).start()

    # --- the process ----------------------------------------------------------------------------

    def start(self) -> None:
        settings = self.pool.settings
        self.starts.append(time.monotonic())
        folder = self.pool.folder
        ready = Path(folder) / f"snakepit_ready_{self.id}_{secrets.randbelow(10**6)}"
        environment = {
            **os.environ,
            "SNAKEPIT_PROCESS_GROUP": "1",
            "PYTHONNOUSERSITE": "1",
            "SNAKEPIT_READY_FILE": str(ready),
            "SNAKEPIT_LOG_LEVEL": "error",
            "SNAKEPIT_HEARTBEAT_CONFIG": json.dumps(
                {
                    "enabled": True,
                    "interval_ms": int(settings.heartbeat_interval * 1000),
                    "timeout_ms": int(settings.heartbeat_timeout * 1000),
                    "max_missed_heartbeats": settings.max_missed,
                    "initial_delay_ms": 0,
                    "dependent": True,
                }
            ),
            **settings.env,
        }
        extra = ["--max-workers", str(settings.threads)] if settings.threads else []
        line = [
            *settings.command,
            *settings.arguments,
            *extra,
            *("--port", "0", "--elixir-address", f"127.0.0.1:{self.pool.bridge.port}"),
            *("--snakepit-run-id", self.pool.run_id, "--snakepit-instance-name", "stand_in"),
        ]
        process = subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        self.process = process
        threading.Thread(target=self._listen, args=(process, ready), daemon=True).start()
        if self._await_ready(process, ready):
            self._connect(process)

    def _await_ready(self, process: subprocess.Popen[bytes], ready: Path) -> bool:
        deadline = time.monotonic() + self.pool.settings.ready_timeout
        while time.monotonic() < deadline and self.process is process:
            try:
                self.port = int(ready.read_text().strip())
            except (FileNotFoundError, ValueError):
                time.sleep(self.pool.settings.ready_poll)
                continue
            ready.unlink()
            return True
        return False

    def _listen(self, process: subprocess.Popen[bytes], ready: Path) -> None:
        """The port of the BEAM: a process has exited once its output has ended, not before."""
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 65536):
            self.output = (self.output + data)[-4096:]
        status = process.wait()
        status = 128 - status if status < 0 else status
        self.exits.append(status)
        if self.process is process:
            self._exited(status)

    def _exited(self, status: int) -> None:
        self.process = None
        was = self.state
        if self.pool.stopping or was == "lost":
            return
        self._disconnect()
        if was == "starting" and status in SHUTDOWN:
            self.change("stopped")
            return
        settings = self.pool.settings
        recent = [t for t in self.starts if time.monotonic() - t < settings.restart_window]
        if len(recent) > settings.restarts:
            self.change("failed")
            return
        self.change("starting")
        time.sleep(settings.restart_pause)
        self.start()

    # --- the channel ----------------------------------------------------------------------------

    def _connect(self, process: subprocess.Popen[bytes]) -> None:
        self.channel = grpc.insecure_channel(
            f"localhost:{self.port}",
            options=[
                ("grpc.use_local_subchannel_pool", 1),  # a connection for each worker
                ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                ("grpc.max_send_message_length", MESSAGE_LIMIT),
            ],
        )
        pause = 0.05
        for attempt in range(5):
            try:
                self.ask("Ping", pb.PingRequest(message="connection_test"), pb.PingResponse, 5.0)
                break
            except grpc.RpcError:
                if attempt == 4:
                    self.change("failed")
                    return
                time.sleep(pause)
                pause = min(2 * pause, 0.5)
        self.session = f"session_{secrets.randbelow(10**6)}_{time.monotonic_ns() // 1000}"
        request = pb.InitializeSessionRequest(
            session_id=self.session,
            metadata={"elixir_node": "nonode@nohost", "initialized_at": "0"},
            config=pb.SessionConfig(enable_caching=True, cache_ttl_seconds=60),
        )
        self.ask("InitializeSession", request, pb.InitializeSessionResponse, 5.0)
        threading.Thread(target=self._telemetry, args=(self.channel,), daemon=True).start()
        self.change("up")
        threading.Thread(target=self._beat, args=(process,), daemon=True).start()
        threading.Thread(target=self._health, args=(process,), daemon=True).start()

    def _disconnect(self) -> None:
        channel, self.channel = self.channel, None
        if channel is not None:
            channel.close()

    def ask(self, method: str, request: Any, answer: Any, timeout: float | None) -> Any:
        channel = self.channel
        if channel is None:
            raise WorkerNotFoundError(self.id)
        call = channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        return call(request, timeout=timeout)

    def _telemetry(self, channel: grpc.Channel) -> None:
        toggle = pb.TelemetryControl(toggle=pb.TelemetryToggle(enabled=True))
        hold = threading.Event()

        def controls() -> Any:
            yield toggle
            hold.wait()

        call = channel.stream_stream(
            f"/{SERVICE}/StreamTelemetry",
            request_serializer=pb.TelemetryControl.SerializeToString,
            response_deserializer=pb.TelemetryEvent.FromString,
        )
        try:
            for event in call(controls()):
                self.pool.telemetry.append(".".join(event.event_parts))
        except grpc.RpcError:
            pass
        hold.set()

    def _beat(self, process: subprocess.Popen[bytes]) -> None:
        settings = self.pool.settings
        while self.process is process and not self.pool.stopping:
            asked = time.monotonic()
            request = pb.HeartbeatRequest(session_id=self.session)
            try:
                answer = self.ask(
                    "Heartbeat", request, pb.HeartbeatResponse, settings.heartbeat_timeout
                )
            except (grpc.RpcError, WorkerNotFoundError, ValueError) as error:
                code = error.code().name if isinstance(error, grpc.RpcError) else "gone"
                self._give_up(process, code)
                return
            self.beats.append(time.monotonic() - asked)
            if not answer.session_valid:
                self._give_up(process, "session_valid=false")
                return
            self.pool.notify()
            if self._over.wait(settings.heartbeat_interval):
                return

    def _give_up(self, process: subprocess.Popen[bytes], why: str) -> None:
        """One failed heartbeat: killed, never restarted, and still routed to."""
        if self.pool.stopping or self.process is not process:
            return
        # A process that has exited is seen to have exited, by its output, first.
        try:
            process.wait(0.2)
            return
        except subprocess.TimeoutExpired:
            pass
        self.events.append(f"heartbeat: {why}")
        self.change("lost")
        number = signal.SIGKILL if why == "DEADLINE_EXCEEDED" else signal.SIGTERM
        self.signal(number)
        self._disconnect()

    def _health(self, process: subprocess.Popen[bytes]) -> None:
        settings = self.pool.settings
        ping = pb.PingRequest(message="health_check_#PID<0.1.0>")
        while not self._over.wait(settings.health_interval) and self.process is process:
            self.calls.put(lambda: self.ask("Ping", ping, pb.PingResponse, settings.health_timeout))

    # --- calls ----------------------------------------------------------------------------------

    def _work(self) -> None:
        while (call := self.calls.get()) is not None:
            try:
                call()
            except Exception:  # the health ping's; a call's own are handed to its caller
                pass

    def execute(self, tool: str, params: dict[str, Any], timeout: float) -> dict[str, Any]:
        return self._run(lambda: self._execute(tool, params, timeout))

    def stream(self, tool: str, params: dict[str, Any], timeout: float) -> dict[str, Any]:
        return self._run(lambda: self._stream(tool, params, timeout))

    def _run(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        if self.pool.settings.parallel:
            return call()
        box: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.calls.put(lambda: box.put(call()))
        return box.get()

    def _request(self, tool: str, params: dict[str, Any], stream: bool) -> Any:
        return pb.ExecuteToolRequest(
            session_id=self.session,
            tool_name=tool,
            parameters={
                key: any_pb2.Any(type_url=STRING_VALUE, value=json.dumps(value).encode())
                for key, value in params.items()
            },
            stream=stream,
            metadata={"correlation_id": f"sp-{secrets.token_hex(12)}"},
        )

    def _execute(self, tool: str, params: dict[str, Any], timeout: float) -> dict[str, Any]:
        request = self._request(tool, params, stream=False)
        try:
            answer = self.ask("ExecuteTool", request, pb.ExecuteToolResponse, timeout)
        except grpc.RpcError as error:
            return {"error": _reason(error)}
        except (WorkerNotFoundError, ValueError):
            return {"error": f"Worker not found: {self.id}"}
        if not answer.success:
            return {"error": _payload(answer.error_message)}
        if answer.binary_result:
            return {"ok": ["binary", answer.binary_result.hex()]}
        return {"ok": decode(answer.result.value) if answer.HasField("result") else None}

    def _stream(self, tool: str, params: dict[str, Any], timeout: float) -> dict[str, Any]:
        channel = self.channel
        if channel is None:
            return {"error": f"Worker not found: {self.id}"}
        call = channel.unary_stream(
            f"/{SERVICE}/ExecuteStreamingTool",
            request_serializer=pb.ExecuteToolRequest.SerializeToString,
            response_deserializer=pb.ToolChunk.FromString,
        )
        chunks = []
        try:
            for chunk in call(self._request(tool, params, stream=True), timeout=timeout):
                value = decode(chunk.data) if chunk.data else {}
                merged = value if isinstance(value, dict) else {"data": value}
                chunks.append({**merged, "is_final": chunk.is_final})
        except grpc.RpcError as error:
            return {"error": _reason(error), "chunks": chunks}
        return {"ok": chunks}

    # --- the end --------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        process = self.process
        if process is not None:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                pass

    def stop(self) -> float:
        """SIGTERM, six seconds, SIGKILL; how long it took."""
        begun = time.monotonic()
        self._over.set()
        process = self.process
        if process is not None:
            self.signal(signal.SIGTERM)
            try:
                process.wait(self.pool.settings.stop_timeout)
            except subprocess.TimeoutExpired:
                self.events.append("SIGKILL after SIGTERM")
                self.signal(signal.SIGKILL)
                process.wait()
        self._disconnect()
        self.calls.put(None)
        return time.monotonic() - begun

    def change(self, state: str) -> None:
        self.state = state
        self.events.append(state)
        self.pool.notify()


class Pool:
    """Workers, and calls dealt out to them."""

    def __init__(self, bridge: RunningHost) -> None:
        self.bridge = bridge
        self.settings = Settings()
        self.workers: list[Worker] = []
        self.telemetry: list[str] = []
        self.stopping = False
        self.folder = ""
        self.run_id = secrets.token_hex(4)[:7]
        self._changed = threading.Condition()
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._turn = itertools.count()
        self._threads = ThreadPoolExecutor(64)

    def notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # --- orders of a test -----------------------------------------------------------------------

    def do_boot(self, workers: int, **settings: Any) -> list[str]:
        """Start that many workers; their states once each has come up or failed."""
        self.folder = tempfile.mkdtemp(prefix="pool-")
        self.settings = Settings(**settings)
        self.workers = [Worker(self, number) for number in range(1, workers + 1)]
        for worker in self.workers:
            threading.Thread(target=worker.start, daemon=True).start()
        self._wait(lambda: all(w.state != "starting" for w in self.workers), 60.0)
        for worker in self.workers:
            self._idle.put(worker)
        return [worker.state for worker in self.workers]

    def do_burst(
        self,
        tool: str,
        params: dict[str, Any] | None = None,
        count: int = 1,
        timeout: float = 30.0,
        stream: bool = False,
    ) -> dict[str, Any]:
        """That many calls at once: their answers, and the wall time of all."""
        begun = time.monotonic()
        futures = [
            self._threads.submit(self._call, tool, params or {}, timeout, stream)
            for _ in range(count)
        ]
        answers = [future.result() for future in futures]
        return {"answers": answers, "seconds": time.monotonic() - begun}

    def do_state(self) -> list[dict[str, Any]]:
        return [
            {
                "id": worker.id,
                "pid": worker.process.pid if worker.process else 0,
                "port": worker.port,
                "state": worker.state,
                "starts": len(worker.starts),
                "exits": worker.exits,
                "beats": len(worker.beats),
                "slowest_beat": max(worker.beats, default=0.0),
                "events": worker.events,
                "output": worker.output.decode("utf-8", "replace"),
            }
            for worker in self.workers
        ]

    def do_kill(self, number: int, worker: int = 0) -> None:
        """Signal a worker's process group."""
        self.workers[worker].signal(number)

    def do_await_starts(self, starts: int, timeout: float = 20.0) -> bool:
        """Wait until every worker has been started that often, and is up."""
        return self._wait(
            lambda: all(len(w.starts) >= starts and w.state == "up" for w in self.workers), timeout
        )

    def do_await_up_again(self, worker: int, starts: int, timeout: float = 20.0) -> bool:
        """Wait until that one has."""
        one = self.workers[worker]
        return self._wait(lambda: len(one.starts) >= starts and one.state == "up", timeout)

    def do_await_lost(self, worker: int = 0, timeout: float = 30.0) -> bool:
        return self._wait(lambda: self.workers[worker].state == "lost", timeout)

    def do_await_beats(self, beats: int, timeout: float = 30.0) -> bool:
        """Wait until every worker has answered that many heartbeats."""
        return self._wait(lambda: all(len(w.beats) >= beats for w in self.workers), timeout)

    def do_shut_down(self) -> list[float]:
        """Stop all in parallel; the seconds each took."""
        self.stopping = True
        return list(self._threads.map(Worker.stop, self.workers))

    # --- private --------------------------------------------------------------------------------

    def _call(
        self, tool: str, params: dict[str, Any], timeout: float, stream: bool
    ) -> dict[str, Any]:
        if self.settings.parallel:
            worker = self.workers[next(self._turn) % len(self.workers)]
            return (worker.stream if stream else worker.execute)(tool, params, timeout)
        worker = self._idle.get()
        try:
            return (worker.stream if stream else worker.execute)(tool, params, timeout)
        finally:
            self._idle.put(worker)

    def _wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, timeout)


def decode(data: bytes) -> Any:
    """The host's: JSON whatever the type_url says, the first of two equal keys, else raw bytes."""

    def first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            found.setdefault(key, value)
        return found

    try:
        return json.loads(data, object_pairs_hook=first_wins)
    except ValueError:
        return {"raw": data.hex()}


def _payload(message: str) -> Any:
    """A structured error's type and message; anything else is passed as it is."""
    try:
        document = json.loads(message)
    except ValueError:
        return message
    if isinstance(document, dict) and "type" in document and "message" in document:
        return [document["type"], document["message"]]
    return message


def _reason(error: grpc.RpcError) -> str:
    names = {
        grpc.StatusCode.INVALID_ARGUMENT: "invalid_argument",
        grpc.StatusCode.DEADLINE_EXCEEDED: "timeout",
        grpc.StatusCode.NOT_FOUND: "not_found",
        grpc.StatusCode.INTERNAL: "internal",
        grpc.StatusCode.UNAVAILABLE: "unavailable",
    }
    return names.get(error.code(), str(error.code()))


def main() -> None:
    """Obey orders until standard input ends."""
    bridge = RunningHost(Host())
    port = bridge.start()
    pool = Pool(bridge)
    print(json.dumps({"port": port}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        name = order.pop("do")
        try:
            if name in ("start", "stop"):
                answer: Any = getattr(bridge, name)()
            elif name == "bridge":  # an order for the BridgeServer
                answer = bridge.host.command(order["to_host"])
            else:
                answer = getattr(pool, f"do_{name}")(**order)
            reply = {"ok": answer}
        except Exception as error:  # told to the test, which fails with it
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)
    pool.do_shut_down()
    os._exit(0)


if __name__ == "__main__":
    main()
