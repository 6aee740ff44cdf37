from __future__ import annotations

import threading

import pytest
from bridge.fake_call import FakeCall
from bridge.races import Meeting, NoLock, at_once, meet_after_reading

from ftbridge.bridge.health import HealthService
from ftbridge.rpc.status import RpcError, StatusCode
from ftbridge.wire.health import HealthCheckRequest, HealthListRequest, ServingStatus

SERVICE = "snakepit.bridge.BridgeService"


def check(health: HealthService, service: str = "") -> ServingStatus:
    response = health.check(HealthCheckRequest(service=service), FakeCall())
    return ServingStatus(response.status)


def test_check_reports_what_was_set_for_the_server_and_each_service():
    health = HealthService([SERVICE])
    assert check(health) is check(health, SERVICE) is ServingStatus.NOT_SERVING
    health.set_all(ServingStatus.SERVING)
    assert check(health) is check(health, SERVICE) is ServingStatus.SERVING


def test_check_of_an_unknown_service_is_not_found():
    with pytest.raises(RpcError, match="no service named 'x'") as caught:
        check(HealthService([SERVICE]), "x")
    assert caught.value.code is StatusCode.NOT_FOUND


def test_fail_stays():
    health = HealthService([])
    health.set_all(ServingStatus.SERVING)
    health.fail()
    health.set_all(ServingStatus.SERVING)
    assert check(health) is ServingStatus.NOT_SERVING


def test_list():
    health = HealthService([SERVICE])
    statuses = health.list_all(HealthListRequest(), FakeCall()).statuses
    assert set(statuses) == {"", SERVICE}
    assert statuses[""].status == ServingStatus.NOT_SERVING


def test_watch_sends_the_state_then_changes_only():
    health = HealthService([SERVICE])
    call = FakeCall()
    watch = health.watch(HealthCheckRequest(service=SERVICE), call)
    assert next(watch).status == ServingStatus.NOT_SERVING
    health.set_all(ServingStatus.NOT_SERVING)  # no change
    health.set_all(ServingStatus.SERVING)
    assert next(watch).status == ServingStatus.SERVING
    call.end()
    assert list(watch) == []


def test_a_slow_watcher_gets_the_newest_state_and_its_queue_stays_small():
    health = HealthService([])
    watch = health.watch(HealthCheckRequest(), FakeCall())
    next(watch)
    for _ in range(1000):
        health.set_all(ServingStatus.SERVING)
        health.set_all(ServingStatus.NOT_SERVING)
    health.set_all(ServingStatus.SERVING)
    assert watch._wakeups.qsize() == 1  # type: ignore[attr-defined]
    assert next(watch).status == ServingStatus.SERVING


def test_watch_of_an_unknown_service_says_so_and_goes_on():
    health = HealthService([SERVICE])
    call = FakeCall()
    watch = health.watch(HealthCheckRequest(service="x"), call)
    assert next(watch).status == ServingStatus.SERVICE_UNKNOWN
    health.set_all(ServingStatus.SERVING)
    call.end()
    assert list(watch) == []


def test_a_waiting_watcher_is_told_of_a_change_from_another_thread():
    health = HealthService([])
    call = FakeCall()
    watch = health.watch(HealthCheckRequest(), call)
    seen: list[int] = []
    first = threading.Event()

    def read() -> None:
        for response in watch:
            seen.append(response.status)
            first.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(10)
    health.set_all(ServingStatus.SERVING)
    call.end()
    reader.join(10)
    assert not reader.is_alive()
    # The end may overtake the change; a state out of order or repeated may not happen.
    assert seen in ([ServingStatus.NOT_SERVING, ServingStatus.SERVING], [ServingStatus.NOT_SERVING])


def test_a_watch_that_ended_is_forgotten():
    health = HealthService([])
    call = FakeCall()
    health.watch(HealthCheckRequest(), call)
    assert len(health._watchers) == 1
    call.end()
    assert not health._watchers


def test_close_ends_watches_after_their_last_state():
    health = HealthService([])
    health.set_all(ServingStatus.SERVING)
    watch = health.watch(HealthCheckRequest(), FakeCall())
    assert next(watch).status == ServingStatus.SERVING
    health.fail()
    assert not health.close()
    assert [response.status for response in watch] == [ServingStatus.NOT_SERVING]
    assert health.close()
    late = health.watch(HealthCheckRequest(), FakeCall())
    assert [response.status for response in late] == [ServingStatus.NOT_SERVING]


def test_close_waits_for_watchers_to_be_told():
    health = HealthService([])
    watch = health.watch(HealthCheckRequest(), FakeCall())
    reader = threading.Thread(target=lambda: list(watch))
    reader.start()
    assert health.close(20)
    reader.join(10)
    assert HealthService([]).close()  # without a watcher there is nothing to wait for


def test_check_and_list_are_answered_inline_and_watch_has_a_thread_of_its_own():
    methods = {method.path.rpartition("/")[2]: method for method in HealthService([]).methods()}
    assert methods["Check"].inline
    assert methods["List"].inline
    assert methods["Watch"].long_lived


@pytest.mark.parametrize("locked", [True, False])
def test_watches_that_open_at_once_are_both_told_thanks_to_the_lock(locked):
    health = HealthService([])
    if not locked:
        health._lock = NoLock()  # type: ignore[assignment]
    meet_after_reading(health, "_watchers", Meeting(2, locked=locked))
    at_once([lambda: health.watch(HealthCheckRequest(), FakeCall()) for _ in range(2)])
    meet_after_reading(health, "_watchers", Meeting(1, locked=True))
    assert len(health._watchers) == (2 if locked else 1)
