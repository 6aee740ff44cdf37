"""What a server does when its adapter's threads wait for each other."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from bridge.adapters_for_tests import WAIT_SECONDS
from bridge.test_server import Client
from locks.races import wait_until

import ftlocks
from ftbridge import ThreadSafeAdapter, tool
from ftbridge.adapters.host import AdapterHost
from ftbridge.bridge.deadlocks import LockCare
from ftbridge.bridge.server import BridgeServer
from ftbridge.rpc import ServerOptions
from ftbridge.wire.health import ServingStatus

OFTEN = 0.01  # seconds between two looks


class Ledger(ThreadSafeAdapter):
    """Takes its two locks in both orders."""

    __thread_safe__ = True

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2)

    @tool
    def transfer(self, together: bool = True) -> str:
        """Accounts first."""
        return self._take("accounts", "audit", together)

    @tool
    def review(self, together: bool = True) -> str:
        """Audit first."""
        return self._take("audit", "accounts", together)

    @tool
    def close_month(self) -> int:
        """Waits for work of a pool whose one thread it is on."""
        with ThreadPoolExecutor(1, "month") as pool:
            return pool.submit(lambda: pool.submit(int).result()).result()

    def _take(self, first: str, second: str, together: bool) -> str:
        with self.acquire_lock(first):
            if together:
                self.both.wait(WAIT_SECONDS)
            with self.acquire_lock(second):
                return "done"


def serving(care: LockCare | None) -> BridgeServer:
    server = BridgeServer(
        AdapterHost(Ledger), options=ServerOptions(threads=3, queue_limit=4), lock_care=care
    )
    server.start()
    return server


def end_all_waits() -> None:
    for state in ftlocks.states():
        for waiter in state.waiters:
            waiter.interrupt(ftlocks.DeadlockError("ended by the test"))


def test_a_deadlock_turns_health_and_is_logged_with_its_ring(caplog):
    server = serving(LockCare(interval=OFTEN))
    with caplog.at_level(logging.ERROR, "ftbridge.locks"), ThreadPoolExecutor(2) as pool:
        try:
            client = Client(server.port)
            calls = [pool.submit(client.execute, name) for name in ("transfer", "review")]
            wait_until(lambda: client.health() == ServingStatus.NOT_SERVING)
            wait_until(lambda: caplog.records)
        finally:
            end_all_waits()
            server.stop(0)
    outcomes = [call.exception() for call in calls]
    assert any(outcomes)
    (record,) = caplog.records
    text = record.getMessage()
    assert "deadlock: 2 threads wait for each other" in text
    assert "has waited" in text
    assert "Lock 'Ledger.accounts'" in text
    assert "Lock 'Ledger.audit'" in text
    assert "with self.acquire_lock(second):" in text
    assert text.endswith("health is NOT_SERVING from now on: only a restart helps")


def test_a_broken_deadlock_fails_one_call_and_leaves_health(caplog):
    server = serving(LockCare(interval=OFTEN, break_deadlocks=True))
    with caplog.at_level(logging.ERROR, "ftbridge.locks"), ThreadPoolExecutor(2) as pool:
        try:
            client = Client(server.port)
            calls = [pool.submit(client.execute, name) for name in ("transfer", "review")]
            errors = [error for call in calls if (error := call.exception(WAIT_SECONDS))]
            assert client.health() == ServingStatus.SERVING
            assert client.execute("review", together=False) == "done"
        finally:
            server.stop(0)
    (error,) = errors
    assert "deadlock" in str(error)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "broken by DeadlockError in thread" in caplog.text


def test_work_that_waits_for_its_own_pool_is_found_in_a_tool(caplog):
    server = serving(LockCare(interval=OFTEN, break_deadlocks=True))
    with caplog.at_level(logging.ERROR, "ftbridge.locks"):
        try:
            with pytest.raises(AssertionError, match="deadlock"):
                Client(server.port).execute("close_month")
        finally:
            server.stop(0)
    assert "executor 'month'" in caplog.text


def test_disorder_is_logged_though_nothing_blocks(caplog):
    server = serving(LockCare(check_order=True))
    try:
        with caplog.at_level(logging.WARNING, "ftlocks.order"):
            client = Client(server.port)
            assert client.execute("transfer", together=False) == "done"
            assert client.execute("review", together=False) == "done"
            wait_until(lambda: caplog.records)
    finally:
        server.stop(0)
    assert "lock order inversion: Ledger." in caplog.text


@pytest.mark.parametrize("care", [None, LockCare(interval=OFTEN, check_order=True)])
def test_it_ends_with_the_server(care):
    before = Future.result
    server = serving(care)
    assert (Future.result is before) is (care is None)
    server.stop(0)
    assert Future.result is before
    assert not [thread for thread in threading.enumerate() if thread.name == "ftlocks-watchdog"]


def test_other_findings_are_warnings(caplog):
    report = ftlocks.WatchReport("long hold", "a thread has held a lock", ())
    server = serving(LockCare(interval=3600.0))
    try:
        server._locks._report(report)
        assert server.health.status() == ServingStatus.SERVING
    finally:
        server.stop(0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
