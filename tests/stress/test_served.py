"""Adapters and addresses as targets of the command."""

import subprocess
import sys
from pathlib import Path

import pytest

from ftstress import served
from ftstress.__main__ import main
from ftstress.targets import TargetError

ROOT = Path(__file__).parents[2]
ROOM = "tests.hammer.hammered"
CLEAN = 2 if sys._is_gil_enabled() else 0


@pytest.mark.parametrize(
    "target", ["127.0.0.1:8080", "localhost:1", "[::1]:50", "unix:/tmp/x", "a-b.example:443"]
)
def test_addresses(target):
    assert served.is_address(target)
    assert not served.is_adapter(target)


@pytest.mark.parametrize(
    "target",
    [f"{ROOM}:nothing", "tests.stress.classics:Account", "no.such.module:Class", "program.py", "x"],
)
def test_what_is_no_adapter(target):
    assert not served.is_adapter(target)
    assert not served.is_address(target)


def test_an_adapter():
    assert served.is_adapter(f"{ROOM}:Shop")


def test_without_ftbridge_the_target_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftbridge.hammer.target", None)

    with pytest.raises(TargetError, match="needs ftbridge, which is not installed"):
        served.address_report("127.0.0.1:1")


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ftstress", "run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_the_command_reports_races_in_an_adapter_and_how_to_find_them_again():
    ended = run("--calls", "60", "--seed", "4", f"{ROOM}:Unlocked")

    told = ended.stdout + ended.stderr
    assert ended.returncode == 1, told
    assert "self.count += amount" in told
    assert f"python -m ftstress run {ROOM}:Unlocked --seed 4 --calls 60" in told


def test_nobody_at_the_address_is_wrong_usage(capsys):
    assert main(["run", "127.0.0.1:1"]) == 2
    assert "127.0.0.1:1" in capsys.readouterr().err
