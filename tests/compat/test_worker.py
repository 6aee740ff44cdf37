"""A worker's life as the host sees it: start, statuses, and an end that comes in time."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from compat.process import SERVICE, THREADED_SCRIPT, WAIT, environment, execute, started

from ftbridge.compat import worker as worker_module
from ftbridge.compat.launch import DEFAULT_GRACE, parse
from ftbridge.compat.python_wrapper import SCRIPTS
from ftbridge.compat.worker import UNWIND_SECONDS
from ftbridge.rpc import RpcError, StatusCode
from ftbridge.wire import messages

PLAIN = ("--adapter", "pool_adapters.PlainAdapter")
POOL = ("--adapter", "pool_adapters.PoolAdapter")
HOST_ARGUMENTS = ("--port", "0", "--snakepit-run-id", "abc1234", "--snakepit-instance-name", "i")


def once(*arguments, script="grpc_server.py", **env):
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *arguments],
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )


@pytest.mark.parametrize("profile", ["process", "threads"])
def test_started_by_the_hosts_arguments_it_serves(tmp_path, profile):
    options = {"script": THREADED_SCRIPT} if profile == "threads" else {}
    extra = ("--max-workers", "4") if profile == "threads" else ()
    with started(tmp_path, *POOL, *extra, *HOST_ARGUMENTS, **options) as worker:
        channel = worker.connect()
        answer = execute(channel, "process_id")
        assert answer.success
        pid = worker.process.pid
        # What the host's clean-up looks for.
        line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        assert Path(os.fsdecode(line[1])).name.startswith("grpc_server")
        assert b"--snakepit-run-id" in line
        assert "python" in Path(f"/proc/{pid}/comm").read_text()
        assert os.getpgid(pid) == pid
        assert not list(tmp_path.glob("*.tmp"))


def test_only_this_machine_can_connect(tmp_path):
    with started(tmp_path, *POOL) as worker:
        port = f"{worker.port():04X}"
        listening = [
            fields[1]
            for line in Path(f"/proc/{worker.process.pid}/net/tcp").read_text().splitlines()
            if (fields := line.split())[3] == "0A" and fields[1].endswith(f":{port}")
        ]
        assert listening == [f"0100007F:{port}"]


def test_the_guides_undeclared_adapter_runs_in_the_process_profile_only(tmp_path):
    with started(tmp_path, *PLAIN) as worker:
        assert execute(worker.connect(), "nap", seconds=0).success
    refused = once(*PLAIN, script="grpc_server_threaded.py")
    assert refused.returncode == 1
    assert "__thread_safe__ = True" in refused.stderr


def test_health_check():
    assert once("--health-check", *PLAIN).returncode == 0
    failed = once("--health-check", "--adapter", "pool_adapters.Missing")
    assert failed.returncode == 1
    assert "pool_adapters.Missing" in failed.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [("no_such_module.A", "there is no module 'no_such_module'"), ("broken.A", "ZeroDivision")],
)
def test_an_adapter_that_cannot_be_imported_ends_it_at_once_with_1(tmp_path, adapter, reason):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    path = f"{environment()['PYTHONPATH']}{os.pathsep}{tmp_path}"
    failed = once("--adapter", adapter, PYTHONPATH=path)
    assert failed.returncode == 1
    assert reason in failed.stderr.splitlines()[-1]
    assert "Traceback" in failed.stderr or adapter.startswith("no_such")


def test_a_ready_file_that_cannot_be_written_ends_it_with_1(tmp_path):
    failed = once(*PLAIN, SNAKEPIT_READY_FILE=str(tmp_path / "none" / "ready"))
    assert failed.returncode == 1
    assert "cannot say the port to the host" in failed.stderr


def test_without_a_host_the_port_is_said_and_the_log_level_is_the_hosts(tmp_path):
    with started(tmp_path, *POOL, env={"SNAKEPIT_LOG_LEVEL": "info"}) as worker:
        worker.port()
        worker.process.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert "INFO ftbridge.compat: stopping: SIGTERM" in worker.output()
    with started(tmp_path, *POOL, env={"SNAKEPIT_LOG_LEVEL": "none"}) as worker:
        worker.port()
        worker.process.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert worker.output() == ""


def test_the_adapters_configuration_and_the_incumbents_values(tmp_path):
    config = tmp_path / "pool.toml"
    config.write_text("model = 'small'\n")
    arguments = ("--config", str(config), "--compat", "snakepit", "--lifetime", "process")
    with started(tmp_path, *POOL, *arguments) as worker:
        channel = worker.connect()
        assert execute(channel, "configured", name="model").result.value == b'"small"'
        assert execute(channel, "echo", value=1).result.value == b"1.0"
    missing = once(*PLAIN, "--config", str(tmp_path / "none.toml"))
    assert missing.returncode == 1
    assert "none.toml: No such file" in missing.stderr.splitlines()[-1].replace("[Errno 2] ", "")


def test_an_interpreter_that_is_stuck_when_it_should_end_is_ended(tmp_path):
    with started(tmp_path, *POOL, "--grace", "0.1") as worker:
        channel = worker.connect()
        worker.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(RpcError):
            execute(channel, "hold_interpreter", timeout=0.05)
        assert worker.wait() in (0, 1)


def test_the_end_of_standard_input_ends_it(tmp_path):
    with started(tmp_path, *POOL) as worker:
        worker.port()
        worker.process.stdin.close()
        assert worker.wait() == 0


def test_sigterm_while_the_host_does_not_answer(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        with started(tmp_path, *POOL, "--elixir-address", address) as worker:
            mute.settimeout(WAIT)
            trying, _ = mute.accept()
            with trying:
                begun = time.monotonic()
                worker.process.send_signal(signal.SIGTERM)
                assert worker.wait() == 0
                assert time.monotonic() - begun < DEFAULT_GRACE


def test_the_default_leaves_the_host_no_reason_to_kill():
    assert DEFAULT_GRACE + UNWIND_SECONDS <= 5.5  # SIGKILL comes at 6.0 s


def test_a_host_that_stays_away_ends_it_with_1(monkeypatch, capsys):
    monkeypatch.setattr(worker_module, "_REACH_ATTEMPTS", 2)
    launch = parse([*POOL, "--elixir-address", "127.0.0.1:9"], threaded=False, environment={})
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert worker_module.run(launch) == 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert "the host at 127.0.0.1:9 does not answer" in capsys.readouterr().err


def test_sigterm_is_obeyed_in_time_although_a_tool_runs_on(tmp_path):
    fifo = tmp_path / "running"
    os.mkfifo(fifo)
    with started(tmp_path, *POOL, "--grace", "0.2") as worker:
        channel = worker.connect()
        failed = []

        def call():
            try:
                execute(channel, "nap_loudly", fifo=str(fifo), seconds=60)
            except RpcError as error:
                failed.append(error.code)

        caller = threading.Thread(target=call)
        caller.start()
        assert fifo.read_text() == "running"
        begun = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert time.monotonic() - begun < 0.2 + UNWIND_SECONDS + 1.0
        caller.join(WAIT)
        assert failed == [StatusCode.UNAVAILABLE]


def test_heartbeats_and_pings_are_answered_while_every_thread_is_busy(tmp_path):
    arguments = (*POOL, "--max-workers", "2")
    with started(tmp_path, *arguments, script=THREADED_SCRIPT) as worker:
        channel = worker.connect()
        session = messages.InitializeSessionRequest(session_id="session_9_9")
        channel.unary(f"{SERVICE}/InitializeSession", session.encode(), timeout=WAIT)
        callers, releases = [], []
        for number in range(2):
            running, go = tmp_path / f"running{number}", tmp_path / f"go{number}"
            os.mkfifo(running)
            os.mkfifo(go)
            arguments = {"running": str(running), "go": str(go)}
            callers.append(
                threading.Thread(target=execute, args=(channel, "hold"), kwargs=arguments)
            )
            callers[-1].start()
            assert running.read_text() == "running"
            releases.append(go)
        beat = messages.HeartbeatRequest(session_id="session_9_9").encode()
        ping = messages.PingRequest(message="health_check").encode()
        for _ in range(20):
            answer = channel.unary(f"{SERVICE}/Heartbeat", beat, timeout=WAIT)
            assert messages.HeartbeatResponse.decode(answer).session_valid
            channel.unary(f"{SERVICE}/Ping", ping, timeout=WAIT)
        # A call waits for a thread: both are taken.
        with pytest.raises(RpcError) as caught:
            execute(channel, "process_id", timeout=0.1)
        assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
        for go in releases:
            go.write_text("")
        for caller in callers:
            caller.join(WAIT)
        assert execute(channel, "process_id").success
