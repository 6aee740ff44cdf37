"""`serve --profile-locks`: the hot lock of a served adapter is named, with its holder and share."""

from __future__ import annotations

import json
import re
import signal
import threading
import urllib.request
from pathlib import Path

import pytest
from cli.test_serve import BRIDGE, Command, Server

from ftbridge.cli.lock_profile import Calls
from ftbridge.metrics import CallMeter
from ftbridge.rpc import Channel
from ftbridge.wire import messages

# Each tool measures its own waiting for each lock, with its own clock.
ADAPTER = """
import threading
import time
from time import perf_counter_ns as clock

import ftlocks
from ftbridge import ThreadSafeAdapter, tool


class Hot(ThreadSafeAdapter):
    __thread_safe__ = True

    def __init__(self):
        super().__init__()
        self.index = threading.Lock()
        self.waited = {"hot": ftlocks.ShardedCounter(), "index": ftlocks.ShardedCounter()}

    @tool
    def look(self) -> int:
        began = clock()
        with self.acquire_lock():
            self.waited["hot"].add(clock() - began)
            time.sleep(0.002)  # the hot line; it blocks, so that others come with the GIL too
        began = clock()
        with self.index:
            self.waited["index"].add(clock() - began)
            until = clock() + 100_000
            while clock() < until:
                pass
        return 0

    @tool
    def measured(self) -> dict:
        return {name: counter.value() for name, counter in self.waited.items()}
"""
HOLDER_LINE = ADAPTER.splitlines().index("        with self.acquire_lock():") + 1
CALLERS, CALLS = 4, 40


def _call(channel: Channel, tool: str) -> object:
    request = messages.ExecuteToolRequest(session_id="s", tool_name=tool)
    answer = channel.unary(f"{BRIDGE}/ExecuteTool", request.encode(), timeout=40)
    found = messages.ExecuteToolResponse.decode(answer)
    assert found.success, found.error_message
    assert found.result is not None
    return json.loads(found.result.value)


def _load(address: str) -> None:
    def call_often() -> None:
        with Channel(address) as channel:
            for _ in range(CALLS):
                _call(channel, "look")

    callers = [threading.Thread(target=call_often) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hot.py").write_text(ADAPTER)
    return tmp_path


def test_the_first_row_is_the_hot_lock_and_agrees_with_another_measurement(folder: Path) -> None:
    server = Server(folder, "--adapter", "hot:Hot", "--threads", "4", "--profile-locks=locks.json")
    try:
        _load(server.address)
        with Channel(server.address) as channel:
            measured = _call(channel, "measured")
        status, err = server.stop()
    finally:
        server.process.kill()
        server.process.communicate()

    assert status == 0
    assert "of all waiting: Hot)" in err
    report = json.loads((folder / "locks.json").read_text())
    first = report["locks"][0]
    assert first["label"] == "Hot"
    assert isinstance(measured, dict)
    assert first["waiting_ns"] == pytest.approx(measured["hot"], rel=0.1)
    share = measured["hot"] / sum(measured.values())
    assert first["share"] == pytest.approx(share, rel=0.1)
    holder = first["holders"][0]
    function, file, line = holder["stack"][0]
    assert (function, Path(file).name, line) == ("Hot.look", "hot.py", HOLDER_LINE)
    # The adapter's own threading.Lock is there, the server's are not.
    labels = [lock["label"] for lock in report["locks"]]
    made = ADAPTER.splitlines().index("        self.index = threading.Lock()") + 1
    assert f"Lock made at hot.py:{made}" in labels
    assert all("hot.py" in label or label.startswith(("Hot", "logging")) for label in labels)


def test_a_signal_has_the_report_written_while_serving(folder: Path) -> None:
    server = Server(
        folder, "--adapter", "hot:Hot", "--profile-locks", "--threads", "2", "--metrics", "0"
    )
    try:
        with Channel(server.address) as channel:
            _call(channel, "look")
        (metrics,) = [line for line in server.banner if line.startswith("Metrics: ")]
        with urllib.request.urlopen(metrics.removeprefix("Metrics: "), timeout=20) as answer:
            scraped = answer.read().decode()
        assert re.search(r'^ftbridge_lock_acquisitions_total{.*lock="Hot".*} 1\.0$', scraped, re.M)
        server.process.send_signal(signal.SIGUSR1)
        assert server.process.stderr is not None
        said = server.process.stderr.readline()
        assert said.startswith("Lock report: ftbridge-locks.html (")
        assert "<title>Lock contention</title>" in (folder / "ftbridge-locks.html").read_text()
        status, err = server.stop()
    finally:
        server.process.kill()
        server.process.communicate()

    assert status == 0
    assert "Lock report: ftbridge-locks.html (" in err


@pytest.mark.parametrize(
    ("value", "said"),
    [("locks.csv", "cannot tell the format"), ("none/locks.html", "there is no folder none")],
)
def test_a_file_that_cannot_be_written_is_refused_at_once(
    folder: Path, value: str, said: str
) -> None:
    command = Command(folder, "serve", "--adapter", "hot:Hot", f"--profile-locks={value}")

    assert command.status == 2
    assert said in command.err


def test_a_lock_is_slowed_down_and_calls_are_counted(folder: Path) -> None:
    server = Server(
        folder,
        "--adapter",
        "hot:Hot",
        "--threads",
        "4",
        "--profile-locks=locks.json",
        "--inject-hold=H?t=3ms",
        "--inject-delay=nothing=5us",
    )
    try:
        _load(server.address)
        status, err = server.stop()
    finally:
        server.process.kill()
        server.process.communicate()

    assert status == 0
    unknown, slowed = json.loads((folder / "locks.json").read_text())["what_if"]
    assert (slowed["kind"], slowed["matched"], slowed["unit"]) == ("hold", ["Hot"], "calls")
    assert slowed["acquisitions"] == CALLERS * CALLS
    assert slowed["pairs"] + slowed["dropped"] > 0
    assert unknown["verdict"] == "unknown lock"
    assert "What if nothing delay +5 us: no lock of this name was made" in err


def test_calls_are_counted_whatever_their_outcome() -> None:
    calls = Calls()
    assert calls.done() == 0
    calls.meter = CallMeter(["a"])
    for tool, outcome in (("a", "ok"), ("a", "failed"), ("b", "ok")):
        calls.meter.started(tool)
        calls.meter.ended(tool, outcome, 1000)
    assert calls.done() == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--profile-locks", "--inject-hold=Hot"], "write LOCK=TIME, such as ledger=50us"),
        (["--profile-locks", "--inject-delay=Hot=5"], "cannot read '5' as a time"),
        (["--inject-delay=Hot=5us"], "add --profile-locks"),
    ],
)
def test_a_mistaken_injection_is_refused(folder: Path, options: list[str], said: str) -> None:
    command = Command(folder, "serve", "--adapter", "hot:Hot", *options)

    assert command.status == 2
    assert said in " ".join(command.err.split())
