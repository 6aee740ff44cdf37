"""Tests of the commands as a person runs them: ``tools/setup``, ``tools/serve``, ``tools/test``."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.fake_machine import REPOSITORY, Machine
from tools.setup_lib import cli


@pytest.fixture
def checkout(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A checkout with the real commands, and a home, on the fake machine."""
    tools = machine.layout.root / "tools"
    shutil.copytree(
        REPOSITORY / "tools" / "setup_lib",
        tools / "setup_lib",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("setup", "serve", "test"):
        shutil.copy(REPOSITORY / "tools" / name, tools / name)
    launch = tools / "setup_lib" / "launch"
    # The set-up itself runs on the Python of this test, whatever the real system has.
    text = launch.read_text("utf-8").replace("/usr/bin/python3", f'"{sys.executable}"')
    launch.write_text(text)
    monkeypatch.setenv("HOME", str(machine.folder / "ho me"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return machine


def start(machine: Machine, command: str, *arguments: str) -> subprocess.Popen[str]:
    return machine.start([machine.layout.root / "tools" / command, *arguments])


def run(machine: Machine, command: str, *arguments: str) -> tuple[int, str, str]:
    process = start(machine, command, *arguments)
    out, err = process.communicate(timeout=50)
    return process.returncode, out, err


# Shell code of a pip that installs a server, which only says its arguments.
SERVER = """program="$(dirname "$0")/ftbridge"
    echo '#!/bin/sh' > "$program"; echo 'echo served "$@"' >> "$program"; chmod +x "$program" """


def test_serve_sets_up_and_becomes_the_server(checkout: Machine) -> None:
    checkout.python("python3.13t", pip=f'case "$*" in *--editable*) {SERVER};; esac')
    status, out, err = run(checkout, "serve", "--threads", "2 x")
    assert (status, out) == (0, "served serve --self-check --threads 2 x\n")
    assert "making .venv" in err
    # Again: the server's words alone.
    assert run(checkout, "serve") == (0, "served serve --self-check\n", "")


def test_a_link_to_the_command_finds_its_checkout(checkout: Machine) -> None:
    checkout.python("python3.13t")
    link = checkout.bin / "linked"
    link.symlink_to(checkout.layout.root / "tools" / "setup")
    done = subprocess.run([link], cwd="/", capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith(f"ready: {checkout.layout.root}/.venv/bin/ftbridge\n")


def test_a_failure_ends_with_one_line_after_the_log(checkout: Machine) -> None:
    checkout.debian(build="echo the cause; exit 1")
    status, out, err = run(checkout, "setup")
    assert (status, out) == (1, "")
    *_, log, line = err.splitlines()
    assert line.startswith("set-up failed: make failed")
    path = Path(log.removeprefix("log: "))
    assert "the cause" in path.read_text("utf-8")
    assert "    the cause" in err.splitlines()


def test_missing_packages_are_one_line_without_a_log(checkout: Machine) -> None:
    status, _, err = run(checkout, "serve")
    assert status == 1
    assert err.splitlines()[-1].startswith(
        "set-up failed: building the free-threaded CPython needs"
    )
    assert "log:" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_can_be_run_again(
    checkout: Machine, tmp_path: Path, number: signal.Signals
) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    checkout.debian(build=f"echo x > {started}; exec sleep 600")
    process = start(checkout, "setup")
    started.read_text()
    process.send_signal(number)
    _, err = process.communicate(timeout=50)
    assert process.returncode == 128 + number
    assert err.splitlines()[-1].startswith("set-up: interrupted; nothing half-made is trusted")
    cache = checkout.folder / "ho me" / ".cache" / "ftbridge"
    assert not (cache / "interpreters").exists()
    shutil.rmtree(cache / "sources")
    checkout.debian()
    status, _, err = run(checkout, "setup")
    assert status == 0, err
    # The interrupted one's lock and compiler are gone: nobody was waited for.
    assert "another set-up" not in err


def test_two_set_ups_of_one_checkout_make_it_once(checkout: Machine, tmp_path: Path) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    for pipe in (started, go):
        os.mkfifo(pipe)
    hold = f'case "$*" in *--editable*) echo x > {started}; read answer < {go};; esac'
    checkout.python("python3.13t", pip=hold)
    first = start(checkout, "setup")
    started.read_text()
    second = start(checkout, "setup")
    assert second.stderr is not None
    while "another set-up is at work" not in (line := second.stderr.readline()):
        assert line
    go.write_text("go\n")
    for process in (first, second):
        process.communicate(timeout=50)
        assert process.returncode == 0
    assert sum(line.startswith("venv") for line in checkout.lines()) == 1


def test_a_named_interpreter_that_does_not_fit(
    checkout: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTBRIDGE_PYTHON", "/nonexistent/python")
    status, _, err = run(checkout, "serve")
    assert status == 1
    assert err == (
        "set-up failed: FTBRIDGE_PYTHON=/nonexistent/python cannot be started "
        "(No such file or directory): set it to a free-threaded CPython 3.13 or later, "
        "or unset it\n"
    )


def test_without_any_python(checkout: Machine) -> None:
    launch = checkout.layout.root / "tools" / "setup_lib" / "launch"
    launch.write_text(launch.read_text("utf-8").replace(sys.executable, "/nonexistent"))
    status, _, err = run(checkout, "serve")
    assert status == 1
    assert err == (
        "set-up failed: no Python 3.9 or newer was found to run it: apt-get install python3\n"
    )


def test_pythons_that_are_old_or_broken_are_passed_over(checkout: Machine) -> None:
    """What is on PATH decides in the end; here only the last name is a Python that works."""
    launch = checkout.layout.root / "tools" / "setup_lib" / "launch"
    launch.write_text(launch.read_text("utf-8").replace(sys.executable, "/nonexistent"))
    checkout.script("python3", "exit 1")
    checkout.script("python3.12", "echo 'no version is set' >&2; exit 127")
    status, _, err = run(checkout, "setup", "--help")
    assert (status, len(err.splitlines())) == (1, 1)
    checkout.script("python3.9", f'exec "{sys.executable}" "$@"')
    status, out, _ = run(checkout, "setup", "--help")
    assert status == 0
    assert out.startswith("usage: tools/setup")


def test_an_unwritable_cache(checkout: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout.debian()
    blocked = checkout.folder / "file"
    blocked.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    status, _, err = run(checkout, "setup")
    assert status == 1
    assert len(err.splitlines()) == 1
    assert str(blocked) in err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "/x"), "the disk is full at /x"),
        (OSError(122, "Disk quota exceeded", "/x"), "the disk is full at /x"),
        (PermissionError(13, "Permission denied", "/x"), "/x cannot be written"),
        (OSError(5, "Input/output error", "/x"), "/x: Input/output error"),
    ],
)
def test_errors_of_the_system_are_one_line(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: OSError,
    line: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "set_up", fail)
    monkeypatch.setattr("tools.setup_lib.interrupts.install", lambda: None)
    assert cli.main(str(machine.layout.root), ["setup"]) == 1
    assert capsys.readouterr().err.startswith(f"set-up failed: {line}")
