"""Many launches, one server: attaching, and every death that the host may cause or see."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from compat.process import THREADED_SCRIPT, WAIT, environment, execute, started

from ftbridge.compat.python_wrapper import SCRIPTS

POOL = ("--adapter", "pool_adapters.PoolAdapter", "--shared", "--grace", "0.5")
ARGUMENTS = (*POOL, "--port", "0", "--snakepit-run-id", "abc1234")


@pytest.fixture
def pool(tmp_path):
    """Starts launchers of one pool; every one that is left is killed, and with them the server."""
    with contextlib.ExitStack() as stack:

        def launch(name, *arguments, **options):
            options.setdefault("env", {})["XDG_RUNTIME_DIR"] = str(tmp_path)
            return stack.enter_context(
                started(tmp_path, *(arguments or ARGUMENTS), name=name, **options)
            )

        yield launch


def server_of(channel):
    """The process behind a port, and a way to see its end."""
    pid = int(execute(channel, "process_id").result.value)
    return pid, os.pidfd_open(pid)


def ended(descriptor):
    """Wait for the end of a process that is not a child of ours."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    found = bool(poll.poll(WAIT * 1000))
    os.close(descriptor)
    return found


def test_all_launches_serve_from_one_process(pool):
    ports, servers = set(), set()
    for launched in [pool(f"w{n}") for n in range(3)]:
        channel = launched.connect()
        ports.add(channel.target)
        servers.add(execute(channel, "process_id").result.value)
    assert len(ports) == len(servers) == 1


def test_the_last_one_leaving_stops_the_server(pool):
    first, second = pool("w1"), pool("w2")
    pid, end = server_of(first.connect())
    channel = second.connect()
    first.process.send_signal(signal.SIGTERM)
    assert first.wait() == -signal.SIGTERM  # 143 to the host
    assert int(execute(channel, "process_id").result.value) == pid
    second.process.stdin.close()  # the BEAM has gone
    assert second.wait() == 0
    assert ended(end)


def test_every_launcher_fails_when_the_server_is_killed_and_the_next_ones_start_another(pool):
    launched = [pool(f"w{n}") for n in range(2)]
    pid, end = server_of(launched[0].connect())
    launched[1].port()
    os.kill(pid, signal.SIGKILL)
    assert [worker.wait() for worker in launched] == [1, 1]
    assert "the shared server has ended" in launched[1].output()
    assert ended(end)
    again = [pool(f"again{n}") for n in range(2)]
    found = {int(execute(worker.connect(), "process_id").result.value) for worker in again}
    assert len(found) == 1
    assert found != {pid}


def test_a_killed_launcher_closes_its_output_at_once_and_leaves_the_server(pool, tmp_path):
    # The first one: the server is its child, and must not hold its output open.
    line = [sys.executable, str(SCRIPTS / "grpc_server.py"), *ARGUMENTS]
    ready = tmp_path / "ready_first"
    env = environment(SNAKEPIT_READY_FILE=str(ready), XDG_RUNTIME_DIR=str(tmp_path))
    read, write = os.pipe()
    streams = {"stdin": subprocess.PIPE, "stdout": write, "stderr": write, "pass_fds": (write,)}
    with subprocess.Popen(line, env=env, cwd=tmp_path, start_new_session=True, **streams) as first:
        os.close(write)
        second = pool("w2")
        channel = second.connect()
        pid, end = server_of(channel)
        while not ready.exists():
            assert first.poll() is None
        os.killpg(first.pid, signal.SIGKILL)  # as the host does, the whole group
        first.wait(WAIT)
        assert os.read(read, 4096) == b""  # the end of file: nobody holds it
        os.close(read)
        assert int(execute(channel, "process_id").result.value) == pid
        relaunched = pool("w3")
        assert int(execute(relaunched.connect(), "process_id").result.value) == pid
        for worker in (second, relaunched):
            worker.process.kill()
        assert ended(end)


def test_the_server_can_be_found_and_is_not_in_a_launchers_group(pool):
    launched = pool("w1")
    pid, end = server_of(launched.connect())
    line = Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"grpc_server.py" in line
    assert b"--snakepit-run-id\0abc1234" in line
    assert "python" in Path(f"/proc/{pid}/comm").read_text()
    assert os.getsid(pid) == pid
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path(os.devnull)
    launched.process.kill()
    assert ended(end)


def test_a_server_that_cannot_start_says_why_through_its_launcher(pool, tmp_path):
    failing = pool("w1", "--adapter", "pool_adapters.PlainAdapter", "--shared")
    assert failing.wait() == 1
    assert "__thread_safe__ = True" in failing.output()
    assert not failing.ready_file.exists()


def test_a_launcher_that_dies_while_the_server_starts_takes_it_along(pool, tmp_path):
    fifo = tmp_path / "importing"
    os.mkfifo(fifo)
    (tmp_path / "slow_adapter.py").write_text(
        "import os\n"
        f"with open({str(fifo)!r}, 'w') as f: f.write(str(os.getpid()))\n"
        f"open({str(fifo)!r}).read()\n"
        "from pool_adapters import PoolAdapter\n"
    )
    path = f"{environment()['PYTHONPATH']}{os.pathsep}{tmp_path}"
    launched = pool(
        "w1", "--adapter", "slow_adapter.PoolAdapter", "--shared", env={"PYTHONPATH": path}
    )
    end = os.pidfd_open(int(fifo.read_text()))
    launched.process.kill()
    fifo.write_text("go on")
    assert ended(end)


def test_other_arguments_or_another_environment_mean_another_server(pool):
    found = {
        execute(worker.connect(), "process_id").result.value
        for worker in (
            pool("w1"),
            pool("w2", *ARGUMENTS, "--threads", "3"),
            pool("w3", env={"MODEL": "large"}),
        )
    }
    assert len(found) == 3


def test_the_thread_profile_shares_through_the_environment(pool):
    arguments = ("--adapter", "pool_adapters.PoolAdapter", "--max-workers", "4")
    env = {"FTBRIDGE_WORKER_ARGS": "--shared --grace 0.5"}
    found = {
        execute(worker.connect(), "process_id").result.value
        for worker in [
            pool(f"w{n}", *arguments, script=THREADED_SCRIPT, env=dict(env)) for n in range(2)
        ]
    }
    assert len(found) == 1


def test_a_launcher_carries_nothing_of_the_server():
    code = (
        "import sys, ftbridge.compat.launcher, ftbridge.compat.entry\n"
        "heavy = {'numpy', 'asyncio', 'logging', 'subprocess', 'hashlib', 'dataclasses',\n"
        "         'ftbridge.rpc', 'ftbridge.adapters', 'ftbridge.wire', 'click'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT, check=True
    )
    assert found.stdout.strip() == "[]"
