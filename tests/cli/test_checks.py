"""The doctor's checks that need no child process."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftbridge.cli import checks
from ftbridge.cli.findings import Verdict
from ftbridge.guard import FREE_THREADED_BUILD
from ftbridge.rpc import parse_address


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that something other than a bridge has: it accepts and closes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        yield server.getsockname()[1]


def test_a_free_port_is_ok(taken_port: int) -> None:
    assert checks.port(parse_address("127.0.0.1:0")).verdict is Verdict.OK


def test_a_taken_port_is_wrong_and_says_where_else(taken_port: int) -> None:
    finding = checks.port(parse_address(f"127.0.0.1:{taken_port}"))
    assert finding.verdict is Verdict.FAIL
    assert "not by an ftbridge server" in finding.text
    assert "--listen 127.0.0.1:0" in finding.way_out


def test_an_address_of_another_machine_is_wrong() -> None:
    # 192.0.2.0/24 is TEST-NET-1 (RFC 5737): no machine has it.
    finding = checks.port(parse_address("192.0.2.1:50051"))
    assert finding.verdict is Verdict.FAIL
    assert "cannot be bound" in finding.text


def test_a_unix_socket_that_exists_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert checks.port(parse_address(f"unix:{path}")).verdict is Verdict.OK
    path.touch()
    assert checks.port(parse_address(f"unix:{path}")).verdict is Verdict.FAIL


def test_the_interpreter_and_the_gil_as_they_are() -> None:
    assert checks.interpreter().verdict is (Verdict.OK if FREE_THREADED_BUILD else Verdict.NOTE)
    assert checks.gil().verdict is not Verdict.FAIL


def test_few_open_files_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (100, 4096))
    finding = checks.open_files()
    assert finding.verdict is Verdict.FAIL
    assert "100 open files" in finding.text
    assert "ulimit -n" in finding.way_out


def test_unlimited_is_written_so(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda which: unlimited)
    assert checks.open_files().verdict is Verdict.OK
    assert "no limit" in checks.open_files().text


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({}, None),
    ],
)
def test_cpu_quota_of_both_generations_of_control_groups(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert checks.cpu_quota(tmp_path) == quota


def test_a_quota_below_the_cores_is_worth_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8)
    (tmp_path / "cpu.max").write_text("200000 100000")
    finding = checks.cores(tmp_path)
    assert finding.verdict is Verdict.NOTE
    assert "grants 2" in finding.text
    assert "--threads 2" in finding.way_out


def test_a_single_core_is_worth_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "process_cpu_count", lambda: 1)
    assert checks.cores(tmp_path).verdict is Verdict.NOTE


@pytest.mark.parametrize(
    ("most", "current", "verdict"),
    [("100", "90", Verdict.FAIL), ("4000", "90", Verdict.OK), ("max", "90", Verdict.OK)],
)
def test_room_for_threads_in_the_control_group(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: str,
    current: str,
    verdict: Verdict,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    (tmp_path / "pids.max").write_text(most)
    (tmp_path / "pids.current").write_text(current)
    assert checks.threads(tmp_path).verdict is verdict


def test_auto_is_the_native_transport() -> None:
    finding = checks.transport()
    assert finding.verdict is Verdict.OK
    assert "auto is native" in finding.text
