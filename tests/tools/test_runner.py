"""Tests of ``tools.setup_lib.runner``."""

import os
import sys
from pathlib import Path

import pytest

from tests.tools.fake_machine import Machine
from tools.setup_lib.errors import InterruptedSetup, SetupError
from tools.setup_lib.runner import KEPT_LOGS, Runner


def test_output_goes_to_the_log_and_the_title_to_the_person(machine: Machine) -> None:
    runner = machine.runner()
    runner.run("doing it", ["sh", "-c", "echo out; echo err >&2"])
    assert runner.log is not None
    assert runner.log.read_text("utf-8").endswith("$ sh -c echo out; echo err >&2\nout\nerr\n")
    assert "doing it: done in 0:0" in machine.output
    assert "out" not in machine.output


def test_a_failure_has_the_last_lines_and_the_advice(machine: Machine) -> None:
    runner = machine.runner()
    with pytest.raises(SetupError, match=r"^sh failed \(exit status 3\): do this$") as caught:
        runner.run(
            "x",
            ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo l$i; done; exit 3"],
            advice="do this",
        )
    assert caught.value.log_tail[-1] == "l9"
    assert len(caught.value.log_tail) == 8


def test_a_known_cause_replaces_the_advice(machine: Machine) -> None:
    with pytest.raises(SetupError, match=r"^the disk is full"):
        machine.runner().run("x", ["sh", "-c", "echo No space left on device; exit 1"], advice="a")


def test_an_earlier_commands_output_is_not_blamed(machine: Machine) -> None:
    runner = machine.runner()
    runner.run("x", ["sh", "-c", "echo No space left on device"])
    with pytest.raises(SetupError, match=r"^sh failed"):
        runner.run("y", ["sh", "-c", "exit 1"])


def test_a_missing_program(machine: Machine) -> None:
    with pytest.raises(SetupError, match=r"^nowhere cannot be started"):
        machine.runner().run("x", ["nowhere"])


def test_a_command_that_does_not_end_is_stopped(machine: Machine) -> None:
    with pytest.raises(SetupError, match="stopped after 0 s"):
        machine.runner().run("x", ["sleep", "600"], timeout=0.0)


def test_an_interruption_ends_the_whole_family(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grandchild holds a pipe's end; end of file on the pipe proves that it is gone."""
    reader, writer = os.pipe()
    runner = machine.runner()
    runner.held.append(writer)

    def stop(_self: object, *_arguments: object) -> None:
        os.close(writer)
        assert os.read(reader, 1) == b"x"  # The grandchild runs.
        raise InterruptedSetup(15)

    monkeypatch.setattr(Runner, "_wait", stop)
    with pytest.raises(InterruptedSetup):
        runner.run("x", ["sh", "-c", f"(printf x > /proc/self/fd/{writer}; exec sleep 600) & wait"])
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_old_logs_are_dropped(machine: Machine) -> None:
    machine.layout.logs.mkdir(parents=True)
    for number in range(20):
        (machine.layout.logs / f"setup-20200101-0000{number:02d}-1.log").touch()
    machine.runner().run("x", ["sh", "-c", ":"])
    names = sorted(path.name for path in machine.layout.logs.iterdir())
    assert len(names) == KEPT_LOGS
    assert names[-2] == "setup-20200101-000019-1.log"


def test_output_of(machine: Machine) -> None:
    runner = machine.runner()
    assert runner.output_of(["sh", "-c", "echo yes"]) == "yes\n"
    assert runner.output_of(["sh", "-c", "echo yes; exit 1"]) == ""
    assert runner.output_of(["nowhere"]) == ""
    assert runner.log is None


def test_a_command_keeps_the_held_locks(machine: Machine) -> None:
    reader, writer = os.pipe()
    runner = machine.runner()
    runner.held.append(writer)
    runner.run("x", [sys.executable, "-c", f"import os; os.write({writer}, b'kept')"])
    os.close(writer)
    assert os.read(reader, 9) == b"kept"
    os.close(reader)


def test_the_log_folder_is_made(machine: Machine) -> None:
    logs: Path = machine.layout.logs
    assert not logs.exists()
    machine.runner().run("x", ["sh", "-c", ":"])
    assert len(list(logs.iterdir())) == 1
