"""`ftbridge serve` as a process: from its first line to its exit status."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftbridge.guard import FREE_THREADED_BUILD
from ftbridge.rpc import Channel, RpcError, StatusCode
from ftbridge.wire import messages
from ftbridge.wire.health import HealthCheckRequest, HealthCheckResponse, ServingStatus

ADAPTER = '''
import os
from ftbridge import BaseAdapter, StreamChunk, ThreadSafeAdapter, tool


class Steps(ThreadSafeAdapter):
    """Tools that a test can hold and let go."""

    __thread_safe__ = True
    __examples__ = (("add", {"a": 40, "b": 2}), ("count", {"n": 3}))

    @tool
    def add(self, a: int, b: int = 1) -> int:
        """Add two numbers."""
        return a + b

    @tool
    def hold(self, started: str, go: str) -> str:
        """Say that it has started, then wait to be let go: two named pipes."""
        with open(started, "w"):
            pass
        with open(go):
            return "held"

    @tool(supports_streaming=True)
    def count(self, n: int):
        """Count with progress."""
        for i in range(n):
            yield StreamChunk({"n": i + 1, "progress": 100 * (i + 1) / n}, is_final=i == n - 1)

    @tool
    def ask(self, name: str, value: int) -> int:
        """Call a tool of the host."""
        return self.session_context.call_host_tool(name, value=value)

    @tool
    def fail(self) -> None:
        """Raise."""
        raise ValueError("n is odd")

    @tool
    def lazy(self) -> str:
        """Import an extension module while serving."""
        import sv_unsafe
        return sv_unsafe.__name__


class Failing(Steps):
    __examples__ = (("fail", {}),)


class NoFile(Steps):
    def __init__(self):
        super().__init__()
        open("model.bin")


class Unsafe(BaseAdapter):
    @tool
    def add(self, a: int) -> int:
        return a


class Configured(BaseAdapter):
    __thread_safe__ = True

    def __init__(self):
        self.calls = 0

    def teardown(self):
        with open(self.config["ends"]["file"], "a") as file:
            file.write(f"{self.calls}\\n")

    @tool
    def call(self) -> str:
        self.calls += 1
        return self.config["greeting"]


class Importing(ThreadSafeAdapter):
    __thread_safe__ = True

    def __init__(self):
        super().__init__()
        import sv_unsafe
'''

SOURCE = r"""
#include <Python.h>
static PyModuleDef_Slot slots[] = {{0, NULL}};
static PyModuleDef def = {PyModuleDef_HEAD_INIT, "sv_unsafe", NULL, 0, NULL, slots};
PyMODINIT_FUNC PyInit_sv_unsafe(void) { return PyModuleDef_Init(&def); }
"""

HEALTH = "/grpc.health.v1.Health/Check"
BRIDGE = "/snakepit.bridge.BridgeService"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with adapters in it."""
    (tmp_path / "steps.py").write_text(ADAPTER)
    (tmp_path / "broken.py").write_text("x = 1\nimport no_such_module_anywhere\n")
    (tmp_path / "raising.py").write_text("def f():\n    return 1 / 0\n\n\nf()\n")
    return tmp_path


@pytest.fixture
def undeclared(folder: Path) -> None:
    """An extension module beside the adapters that does not declare that it needs no GIL."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    include = Path(sysconfig.get_path("include"))
    if compiler is None:
        pytest.skip("no C compiler to make an extension module with")
    if not (include / "Python.h").exists():
        pytest.skip(f"no Python.h in {include}")
    source = folder / "sv_unsafe.c"
    source.write_text(SOURCE)
    target = folder / f"sv_unsafe{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = [compiler, "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(target)]
    subprocess.run(command, check=True, timeout=60)


def spawn(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, sys.path))
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHON_GIL"}
    return subprocess.Popen(
        [sys.executable, "-m", "ftbridge", *arguments],
        cwd=folder,
        env={**inherited, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Command:
    """A command that has ended."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        process = spawn(folder, *arguments)
        try:
            self.out, self.err = process.communicate(timeout=50)
        finally:
            process.kill()
        self.status = process.returncode


class Server:
    """A server that has said where it listens."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.process = spawn(folder, "serve", "--listen", "127.0.0.1:0", *arguments)
        assert self.process.stdout is not None
        self.banner: list[str] = []
        for line in self.process.stdout:
            self.banner.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
        else:
            _, err = self.process.communicate()
            pytest.fail(f"no server: {self.banner} {err}")
        found = re.search(r" on (127\.0\.0\.1:\d+)$", self.banner[0])
        assert found is not None, self.banner
        self.address = found[1]

    def run(self, *arguments: str) -> Command:
        return Command(self.folder, *arguments, "--address", self.address)

    def stop(self) -> tuple[int, str]:
        """Exit status and the rest of stderr after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=50)
        return self.process.returncode, err


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def serve(*arguments: str, adapter: str = "steps:Steps") -> Server:
        servers.append(Server(folder, "--adapter", adapter, *arguments))
        return servers[-1]

    yield serve
    for server in servers:
        server.process.kill()
        server.process.communicate()


def test_a_tool_is_listed_called_and_streamed(serve: Callable[..., Server]) -> None:
    server = serve("--threads", "3", adapter="steps.Steps")
    assert server.banner[0].startswith("Serving Steps (6 tools) on ")
    assert "GIL: off" in server.banner or not FREE_THREADED_BUILD
    assert any(line.startswith("Threads: 3 ") for line in server.banner)
    listed = json.loads(server.run("tools", "--json").out)
    assert {tool["name"] for tool in listed} == {"add", "ask", "count", "fail", "hold", "lazy"}
    called = server.run("call", "add", "a=2", "b=40")
    assert (called.status, called.out, called.err) == (0, "42\n", "")
    streamed = server.run("call", "count", "n=3")
    assert [json.loads(line)["n"] for line in streamed.out.splitlines()] == [1, 2, 3]
    failed = server.run("call", "fail")
    assert (failed.status, failed.out) == (1, "")
    assert failed.err == "error: ValueError: n is odd\n"
    wrong = server.run("call", "add", "c=1")
    assert wrong.status == 1
    assert "'a'" in wrong.err
    assert "'c'" in wrong.err
    status, _ = server.stop()
    assert status == 0


def test_sigterm_lets_a_running_call_finish(serve: Callable[..., Server], folder: Path) -> None:
    server = serve("--grace", "30")
    started, go = folder / "started", folder / "go"
    os.mkfifo(started)
    os.mkfifo(go)
    call = spawn(
        folder, "call", "hold", f"started={started}", f"go={go}", "--address", server.address
    )
    with started.open():  # opens when the tool does
        pass
    server.process.send_signal(signal.SIGTERM)
    assert server.process.stderr is not None
    assert "finishing running calls" in server.process.stderr.readline()
    go.write_text("")  # opens when the tool does, and lets it go
    out, err = call.communicate(timeout=50)
    assert (call.returncode, out, err) == (0, '"held"\n', "")
    assert server.process.wait(timeout=50) == 0


def test_a_second_signal_cuts_the_call_off(serve: Callable[..., Server], folder: Path) -> None:
    server = serve("--grace", "600")
    started = folder / "started"
    os.mkfifo(started)
    os.mkfifo(folder / "go")
    call = spawn(
        folder,
        "call",
        "hold",
        f"started={started}",
        f"go={folder / 'go'}",
        "--address",
        server.address,
    )
    with started.open():
        pass
    assert server.process.stderr is not None
    for _ in range(2):
        server.process.send_signal(signal.SIGINT)
        assert "SIGINT" in server.process.stderr.readline()
    _, err = call.communicate(timeout=50)
    assert call.returncode == 1
    assert "UNAVAILABLE" in err
    server.process.wait(timeout=50)


def test_ctrl_c_cancels_a_call(serve: Callable[..., Server], folder: Path) -> None:
    server = serve()
    started, go = folder / "started", folder / "go"
    os.mkfifo(started)
    os.mkfifo(go)
    call = spawn(
        folder, "call", "hold", f"started={started}", f"go={go}", "--address", server.address
    )
    with started.open():
        pass
    call.send_signal(signal.SIGINT)
    out, _ = call.communicate(timeout=50)
    assert (call.returncode, out) == (130, "")
    go.write_text("")


def test_the_port_file_is_there_while_serving(serve: Callable[..., Server], folder: Path) -> None:
    file = folder / "port"
    server = serve("--port-file", str(file))
    assert file.read_text() == server.address.rpartition(":")[2] + "\n"
    server.stop()
    assert not file.exists()


def test_a_port_in_use_is_one_clear_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = Command(folder, "serve", "--adapter", "steps:Steps", "--listen", address)
    assert command.status == 1
    [line] = command.err.splitlines()
    assert f"cannot listen on {address}: address already in use" in line
    assert "--listen 127.0.0.1:0" in line


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("no_such_adapter:X", "no_such_adapter"),
        ("steps:Missing", "Missing"),
        ("broken:X", "no_such_module_anywhere"),
        ("raising:X", "ZeroDivisionError"),
        ("steps:os", "os"),
        ("nonsense", "nonsense"),
        ("steps:Unsafe", "--serialize"),
        ("steps:NoFile", "No such file or directory: 'model.bin'"),
    ],
)
def test_an_adapter_that_cannot_be_served(folder: Path, spec: str, says: str) -> None:
    command = Command(folder, "serve", "--adapter", spec, "--listen", "127.0.0.1:0")
    assert command.status == 1
    assert command.out == ""
    assert says in command.err
    assert command.err.splitlines()[-1].strip()
    assert "cannot listen" not in command.err
    assert "ftbridge/cli/" not in command.err  # no traceback through our own frames


def test_serialize_serves_an_adapter_that_is_not_thread_safe(
    serve: Callable[..., Server],
) -> None:
    server = serve("--serialize", adapter="steps:Unsafe")
    assert server.run("call", "add", "a=2").out == "2\n"


def test_tools_call_the_hosts_functions(serve: Callable[..., Server], folder: Path) -> None:
    (folder / "functions.py").write_text(
        "from ftbridge import host_tool\n\n@host_tool\ndef double(value: int) -> int:\n"
        "    return 2 * value\n"
    )
    server = serve("--host-tools", "functions")
    assert server.run("call", "ask", "name=double", "value=4").out == "8\n"
    assert "exposed: double" in server.run("call", "ask", "name=other", "value=4").err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--host-tools", "steps", "put @host_tool on the functions"),
        ("--host-tools", "no_such_module_here", "ModuleNotFoundError"),
    ],
)
def test_host_tools_that_cannot_be_loaded_are_one_clear_line(
    folder: Path, option: str, value: str, says: str
) -> None:
    command = Command(
        folder, "serve", "--adapter", "steps:Steps", "--listen", "127.0.0.1:0", option, value
    )
    assert command.status == 1
    assert says in command.err
    assert "Traceback" not in command.err


def test_a_host_elsewhere_need_not_be_there_for_tools_that_do_without_it(
    serve: Callable[..., Server],
) -> None:
    server = serve("--elixir-address", "127.0.0.1:1")
    assert server.run("call", "add", "a=2").out == "3\n"
    asked = server.run("call", "ask", "name=double", "value=4")
    assert "the host at 127.0.0.1:1 cannot be reached" in asked.err


def test_lifetime_and_configuration_reach_the_adapter(
    serve: Callable[..., Server], folder: Path
) -> None:
    ends = folder / "ends"
    config = folder / "config.toml"
    config.write_text(f'greeting = "hello"\n[ends]\nfile = "{ends}"\n')
    options = ("--threads", "1", "--lifetime", "thread", "--config", str(config))
    server = serve(*options, adapter="steps:Configured")
    assert [server.run("call", "call").out for _ in range(2)] == ['"hello"\n'] * 2
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert ends.read_text() == "2\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--lifetime", "day"],
        ["--config", "none.toml"],
        ["--threads", "0"],
        ["--listen", "x"],
        ["--transport", "quic"],
        ["--grace", "-1"],
        ["--elixir-address", "nowhere"],
        ["--elixir-address", "127.0.0.1:1", "--host-tools", "steps"],
    ],
)
def test_bad_options_are_usage_errors(folder: Path, arguments: list[str]) -> None:
    assert Command(folder, "serve", *arguments).status == 2


def test_no_server_is_one_clear_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = Command(folder, "call", "add", "--address", address)
    assert (command.status, command.out) == (1, "")
    [line] = command.err.splitlines()
    assert f"no server answers at {address}" in line
    assert f"serve --listen {address}" in line


def suggestions(server: Server) -> list[str]:
    found = [line.strip() for line in server.banner if line.startswith("  ")]
    assert len(found) == 3
    assert all(f"--address {server.address}" in command for command in found)
    return found


def test_self_check_calls_the_adapters_first_example(serve: Callable[..., Server]) -> None:
    server = serve("--self-check")
    assert any(line.startswith("Self-check: add a=40 b=2 -> 42 (") for line in server.banner), (
        server.banner
    )
    # What is suggested can be typed as it is.
    for command, answer in zip(suggestions(server)[1:], ["42", '"n": 3'], strict=True):
        words = shlex.split(command.partition(" -m ftbridge ")[2])
        assert answer in Command(server.folder, *words).out


def test_self_check_of_an_adapter_without_examples_lists_its_tools(
    serve: Callable[..., Server],
) -> None:
    server = serve("--self-check", "--serialize", adapter="steps:Unsafe")
    assert any(line.startswith("Self-check: 1 tools are offered") for line in server.banner)
    suggestions(server)


def test_a_failing_self_check_ends_the_server(folder: Path) -> None:
    command = Command(
        folder, "serve", "--adapter", "steps:Failing", "--listen", "127.0.0.1:0", "--self-check"
    )
    assert command.status == 1
    assert "error: self-check: ValueError: n is odd" in command.err


def test_self_check_of_the_example_adapter_calls_a_tool(serve: Callable[..., Server]) -> None:
    server = serve("--self-check", adapter="ftbridge.examples:StdlibAdapter")
    [line] = [line for line in server.banner if line.startswith("Self-check: ")]
    assert " -> " in line
    assert sum(" call " in command for command in suggestions(server)) == 2


# --- the guard ----------------------------------------------------------------------------------

free_threaded_only = pytest.mark.skipif(
    not FREE_THREADED_BUILD, reason="this build of Python always has the GIL"
)


def health(address: str) -> int:
    with Channel(address) as channel:
        answer = channel.unary(HEALTH, HealthCheckRequest().encode(), timeout=20)
    return HealthCheckResponse.decode(answer).status


def execute(address: str, tool: str) -> messages.ExecuteToolResponse:
    request = messages.ExecuteToolRequest(session_id="s", tool_name=tool)
    with Channel(address) as channel:
        answer = channel.unary(f"{BRIDGE}/ExecuteTool", request.encode(), timeout=20)
    return messages.ExecuteToolResponse.decode(answer)


@free_threaded_only
@pytest.mark.usefixtures("undeclared")
def test_an_adapter_that_switches_the_gil_on_is_refused(folder: Path) -> None:
    command = Command(folder, "serve", "--adapter", "steps:Importing", "--listen", "127.0.0.1:0")
    assert command.status == 1
    assert "importing sv_unsafe switched it on while the adapter was loading" in command.err
    assert "steps.py" in command.err
    assert "--allow-gil" in command.err


@free_threaded_only
@pytest.mark.usefixtures("undeclared")
def test_allow_gil_serves_it_and_says_so(serve: Callable[..., Server]) -> None:
    server = serve("--allow-gil", adapter="steps:Importing")
    assert "GIL: on (allowed by --allow-gil)" in server.banner
    assert health(server.address) == ServingStatus.SERVING
    _, err = server.stop()
    assert "WARNING: the GIL is on: importing sv_unsafe" in err


@free_threaded_only
@pytest.mark.usefixtures("undeclared")
def test_a_tool_that_switches_the_gil_on_turns_health_off(serve: Callable[..., Server]) -> None:
    server = serve()
    assert health(server.address) == ServingStatus.SERVING
    assert execute(server.address, "lazy").success
    assert health(server.address) == ServingStatus.NOT_SERVING
    assert execute(server.address, "lazy").success  # calls are still answered
    status, err = server.stop()
    assert status == 0
    assert err.count("importing sv_unsafe switched it on while serving") == 1
    assert "imported by steps" in err


@pytest.mark.usefixtures("undeclared")
@pytest.mark.skipif(FREE_THREADED_BUILD, reason="for builds that always have the GIL")
def test_on_a_gil_build_everything_is_served(serve: Callable[..., Server]) -> None:
    server = serve(adapter="steps:Importing")
    assert any("always has it" in line for line in server.banner)
    assert health(server.address) == ServingStatus.SERVING


def test_killing_the_server_gives_its_caller_unavailable(
    serve: Callable[..., Server], folder: Path
) -> None:
    server = serve()
    started = folder / "started"
    os.mkfifo(started)
    os.mkfifo(folder / "go")
    call = spawn(
        folder,
        "call",
        "hold",
        f"started={started}",
        f"go={folder / 'go'}",
        "--address",
        server.address,
    )
    with started.open():
        pass
    server.process.kill()
    _, err = call.communicate(timeout=50)
    assert call.returncode == 1
    assert "UNAVAILABLE" in err
    with pytest.raises(RpcError) as caught:
        health(server.address)
    assert caught.value.code is StatusCode.UNAVAILABLE
