"""A pool of our workers under the stand-in host: nothing it does may cost a worker."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from compat.process import THREADED_SCRIPT
from hosts.pool_process import boot, pool_stand_in


@pytest.fixture
def pool(tmp_path):
    with pool_stand_in(tmp_path) as running:
        yield running


def states(pool):
    return [worker["state"] for worker in pool.do("state")]


def test_values_errors_and_streams_by_the_hosts_rules(pool):
    assert boot(pool, 1) == ["up"]
    for value in (1, 2**70, "", None, [1, {"a": None}], "NaN"):
        answer = pool.do("burst", tool="echo", params={"value": value})["answers"]
        assert answer == [{"ok": value}]
    failed = pool.do("burst", tool="fail", params={"text": "no"})["answers"]
    assert failed == [{"error": ["ValueError", "no"]}]
    chunks = pool.do("burst", tool="count", params={"to": 2}, stream=True)["answers"][0]["ok"]
    assert chunks == [
        {"number": 0, "is_final": False},
        {"number": 1, "is_final": True},
    ]
    late = pool.do("burst", tool="nap", params={"seconds": 5}, timeout=0.1)
    assert late["answers"] == [{"error": "timeout"}]
    assert late["seconds"] < 2.0


def test_tools_call_the_host_back_and_can_be_called_from_there(pool):
    boot(pool, 1)
    state = pool.do("bridge", to_host={"do": "state"})
    [session] = state["sessions"]
    worker_id = state["tools"][f"{session}:echo"]
    assert worker_id.startswith("default_worker_")
    [registered] = pool.do("bridge", to_host={"do": "calls", "method": "RegisterTools"})
    assert registered["session_id"] == session
    expose = {"do": "expose", "session": session, "name": "validate", "behaviour": "validate"}
    pool.do("bridge", to_host=expose)
    asked = {"name": "validate", "arguments": {"data": 1}}
    [answer] = pool.do("burst", tool="ask_host", params=asked)["answers"]
    assert answer == {"ok": {"valid": False, "errors": ["empty"]}}  # it declares no parameters
    missing = {"name": "other", "arguments": {}}
    [answer] = pool.do("burst", tool="ask_host", params=missing)["answers"]
    assert answer == {"error": ["ValueError", "Tool 'other' not found"]}
    # Once for the session, whatever the number of calls.
    assert len(pool.do("bridge", to_host={"do": "calls", "method": "InitializeSession"})) == 1


def test_a_tool_longer_than_many_heartbeats(pool):
    """The scaled form of 15 s under heartbeats every 2 s; `-m alone` has the real one."""
    boot(pool, 1, "--threads", "4")
    # So short so often that the reactor takes to running it by itself; then it is not short.
    pool.do("burst", tool="nap", params={"seconds": 0}, count=100)
    [before] = pool.do("state")
    pool.do("burst", tool="nap", params={"seconds": 0.75})
    [worker] = pool.do("state")
    assert worker["state"] == "up"
    assert worker["beats"] - before["beats"] >= 3
    assert worker["starts"] == 1


def test_one_at_a_time_for_each_worker_unless_the_module_is_there(pool):
    boot(pool, 1, "--threads", "4")
    assert pool.do("burst", tool="nap", params={"seconds": 0.1}, count=4)["seconds"] >= 0.4


@pytest.mark.parametrize("profile", ["process", "thread"])
def test_eight_calls_at_once_on_one_worker_with_the_parallel_module(pool, profile):
    if profile == "process":
        boot(pool, 1, "--threads", "8", parallel=True)
    else:
        command = [sys.executable, str(THREADED_SCRIPT)]
        boot(pool, 1, parallel=True, threads=8, command=command)
    burst = pool.do("burst", tool="nap", params={"seconds": 1.0}, count=8)
    assert burst["answers"] == [{"ok": 1.0}] * 8
    assert burst["seconds"] < 4.0  # in turn it would be 8; tools/bench has the true figure


def test_eight_calls_at_once_on_eight_launches_of_one_server(pool):
    assert boot(pool, 8, "--shared") == ["up"] * 8
    burst = pool.do("burst", tool="nap", params={"seconds": 1.0}, count=8)
    assert burst["answers"] == [{"ok": 1.0}] * 8
    assert burst["seconds"] < 4.0
    pids = pool.do("burst", tool="process_id", count=16)["answers"]
    assert len({answer["ok"] for answer in pids}) == 1


@pytest.mark.parametrize("status", [0, 139])
def test_a_worker_that_exits_is_back(pool, status):
    boot(pool, 1)
    pool.do("burst", tool="crash", params={"status": status})
    assert pool.do("await_starts", starts=2)
    assert pool.do("state")[0]["exits"] == [status]
    assert pool.do("burst", tool="echo", params={"value": 1})["answers"] == [{"ok": 1}]


def test_a_killed_shared_server_takes_its_launchers_and_all_come_back_to_one(pool):
    boot(pool, 3, "--shared")
    [before] = pool.do("burst", tool="process_id")["answers"]
    os.kill(before["ok"], signal.SIGKILL)
    assert pool.do("await_starts", starts=2)
    assert {tuple(worker["exits"]) for worker in pool.do("state")} == {(1,)}
    after = pool.do("burst", tool="process_id", count=6)["answers"]
    assert len({answer["ok"] for answer in after}) == 1
    assert after[0] != before


def test_a_killed_launcher_is_back_at_the_same_server(pool):
    boot(pool, 3, "--shared")
    [before] = pool.do("burst", tool="process_id")["answers"]
    pool.do("kill", number=signal.SIGKILL, worker=0)  # the one that started the server
    assert pool.do("await_up_again", worker=0, starts=2)
    after = pool.do("burst", tool="process_id", count=6)["answers"]
    assert {answer["ok"] for answer in after} == {before["ok"]}
    assert states(pool) == ["up"] * 3


def test_a_stuck_worker_crashes_in_time_and_is_restarted_instead_of_lost(pool):
    boot(pool, 1, heartbeat_timeout=2.5)
    pool.do("burst", tool="hold_interpreter", timeout=0.2)
    assert pool.do("await_starts", starts=2)
    [worker] = pool.do("state")
    assert worker["exits"] == [1]
    assert "lost" not in worker["events"]


def test_the_host_stops_workers_with_running_tools_without_killing_them(pool):
    boot(pool, 2, "--threads", "4", parallel=True)
    pool.do("burst", tool="nap", params={"seconds": 30}, count=2, timeout=0.2)
    took = pool.do("shut_down")
    assert max(took) < 6.0
    workers = pool.do("state")
    assert all("SIGKILL after SIGTERM" not in worker["events"] for worker in workers)


def test_a_host_that_is_killed_leaves_nothing(tmp_path):
    with pool_stand_in(tmp_path) as pool:
        boot(pool, 2, "--shared")
        [server] = pool.do("burst", tool="process_id")["answers"]
        pids = [worker["pid"] for worker in pool.do("state")]
        ends = [os.pidfd_open(pid) for pid in (server["ok"], *pids)]
        pool.process.kill()
        import select

        for end in ends:
            poll = select.poll()
            poll.register(end, select.POLLIN)
            assert poll.poll(20_000), "it outlived its host"
            os.close(end)


@pytest.mark.alone
@pytest.mark.timeout(120)
def test_fifteen_seconds_under_real_heartbeats(tmp_path):
    """With the host's own figures: `pytest -m alone tests/hosts/test_pool_stand_in.py`."""
    real = {"heartbeat_interval": 2.0, "heartbeat_timeout": 10.0, "health_interval": 30.0}
    with pool_stand_in(tmp_path, limit=100.0) as pool:
        boot(pool, 1, "--threads", "4", parallel=True, **real)
        burst = pool.do("burst", tool="nap", params={"seconds": 15}, count=2)
        assert burst["answers"] == [{"ok": 15}] * 2
        assert burst["seconds"] < 16.0  # the two went on side by side
        [worker] = pool.do("state")
        assert worker["state"] == "up"
        assert worker["beats"] >= 7
        assert worker["slowest_beat"] < 1.0
