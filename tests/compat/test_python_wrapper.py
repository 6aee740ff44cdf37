"""The executable of thread pools: the script is ours, all else passes."""

import subprocess
import sys

import pytest

from ftbridge.compat.python_wrapper import SCRIPTS, command


@pytest.mark.parametrize("script", ["grpc_server.py", "grpc_server_threaded.py"])
def test_the_hosts_script_is_replaced_by_ours(script):
    line = command([f"/app/deps/snakepit/priv/python/{script}", "--adapter", "a.B"])
    assert line == [sys.executable, str(SCRIPTS / script), "--adapter", "a.B"]
    assert (SCRIPTS / script).is_file()


@pytest.mark.parametrize("arguments", [[], ["-c", "import grpc_server"], ["/other.py", "x"]])
def test_all_else_passes_unchanged(arguments):
    assert command(arguments) == [sys.executable, *arguments]


def test_it_becomes_the_interpreter_and_keeps_its_process_id():
    line = [sys.executable, "-m", "ftbridge.compat.python_wrapper", "-c"]
    line.append("import os, sys; print(os.getpid(), open('/proc/self/comm').read())")
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        output, _ = process.communicate(timeout=30)
    pid, comm = output.split()
    assert int(pid) == process.pid
    assert "python" in comm
