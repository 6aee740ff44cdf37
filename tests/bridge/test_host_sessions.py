"""Sessions are told to the host once, and again only when they have to be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from bridge.races import Meeting, NoLock, at_once, meet_after_reading

from ftbridge.bridge.host_sessions import RENEW_SECONDS, HostSessions, Peer, says_unknown
from ftbridge.rpc import RpcError, StatusCode
from ftbridge.wire import messages as m

WAIT = 20.0


class Host:
    """A channel whose other end is the test's: answers by rules that it may change."""

    address = "host:1"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.registered: set[str] = set()
        self.known: set[str] = set()
        self.fail: Callable[[str], None] = lambda method: None
        self.arrived = threading.Condition()

    def ask(self, method: str, request: Any, answer: Any, timeout: float, **_: Any) -> Any:
        try:
            self.fail(method)
            return self._answer(method, request)
        finally:
            with self.arrived:
                self.asked.append(method)
                self.arrived.notify_all()

    def _answer(self, method: str, request: Any) -> Any:
        session = request.session_id
        if method == "InitializeSession":
            self.known.add(session)
            return m.InitializeSessionResponse(success=True)
        if method == "Heartbeat":
            return m.HeartbeatResponse(session_valid=session in self.known)
        if session not in self.known:
            return m.RegisterToolsResponse(error_message="not_found")
        names = [tool.name for tool in request.tools]
        taken = self.registered.intersection(names)
        if taken:
            return m.RegisterToolsResponse(error_message=f'{{:duplicate_tool, "{taken.pop()}"}}')
        if "bad" in names:
            return m.RegisterToolsResponse(error_message="{:invalid_tool_name, :x}")
        self.registered.update(names)
        return m.RegisterToolsResponse(success=True)

    def wait_for(self, count: int) -> list[str]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.asked) >= count, WAIT), self.asked
            return list(self.asked)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sessions(host: Host, clock: Clock, *tools: str, worker_id: Any = "w1") -> HostSessions:
    made = HostSessions(
        host,  # type: ignore[arg-type]
        worker_id=worker_id,
        timeout=WAIT,
        attach_wait=WAIT,
        clock=clock,
    )
    made.tools = [m.ToolRegistration(name=name) for name in tools or ("a", "b")]
    return made


def settled(there: HostSessions, peer: Peer) -> None:
    """Wait for the attempt that is under way."""
    done = threading.Event()
    while True:
        with peer.lock:
            if not peer.settling:
                return
        done.wait(0.005)


def test_one_call_each_a_session_and_none_for_its_later_calls(host, clock):
    there, peer = sessions(host, clock), Peer("s")
    there.attach(peer)
    assert host.asked == ["InitializeSession", "RegisterTools"]
    assert peer.settled
    for _ in range(3):
        there.attach(peer)
        there.introduce(peer, WAIT)
    assert len(host.asked) == 2
    there.attach(Peer("other"))
    assert host.asked[2] == "InitializeSession"


@pytest.mark.parametrize("worker_id", ["", lambda: ""])
def test_without_a_worker_id_no_tools_are_registered(host, clock, worker_id):
    there, peer = sessions(host, clock, worker_id=worker_id), Peer("s")
    there.attach(peer)
    assert (host.asked, peer.settled) == (["InitializeSession"], True)


def test_many_threads_tell_the_host_once(host, clock):
    there, peer = sessions(host, clock), Peer("s")
    threads = [threading.Thread(target=there.introduce, args=(peer, WAIT)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert host.asked == ["InitializeSession"]


def test_a_failure_is_tried_again_later_and_waits_longer_each_time(host, clock, caplog):
    def away(method: str) -> None:
        raise RpcError(StatusCode.UNAVAILABLE, "away")

    host.fail = away
    there, peer = sessions(host, clock), Peer("s")
    there.attach(peer)
    assert not peer.settled
    count = 1
    for wait in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        clock.now += wait - 0.01
        there.attach(peer)
        assert len(host.asked) == count
        clock.now += 0.02
        there.attach(peer)
        count += 1
        host.wait_for(count)
        settled(there, peer)
    host.fail = lambda method: None
    clock.now += 31
    there.attach(peer)
    host.wait_for(count + 2)
    settled(there, peer)
    assert peer.settled
    # Loud once, however often it failed.
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


def test_only_the_first_call_waits_for_a_slow_host(host, clock):
    go = threading.Event()
    host.fail = lambda method: go.wait(WAIT) and None
    there, peer = sessions(host, clock), Peer("s")
    there._attach_wait = 0.01
    there.attach(peer)
    there._attach_wait = WAIT
    there.attach(peer)  # one attempt is under way: nothing to wait for
    there.renew(peer)
    assert not peer.settled
    go.set()
    settled(there, peer)
    assert host.asked == ["InitializeSession", "RegisterTools"]


def test_a_name_that_is_taken_does_not_keep_the_others_out(host, clock):
    host.registered = {"b"}
    there, peer = sessions(host, clock, "a", "b", "c"), Peer("s")
    there.attach(peer)
    assert peer.settled
    assert host.registered == {"a", "b", "c"}
    # The next worker of the same session finds all of them taken, which is as good.
    again = Peer("s")
    there.attach(again)
    assert again.settled


def test_a_refusal_is_no_success(host, clock, caplog):
    there, peer = sessions(host, clock, "bad"), Peer("s")
    there.attach(peer)
    assert not peer.settled
    assert "RegisterTools was refused: {:invalid_tool_name, :x}" in caplog.text


def test_a_session_the_host_has_forgotten_is_told_anew(host, clock):
    there, peer = sessions(host, clock), Peer("s")
    there.introduce(peer, WAIT)
    host.known.clear()
    there.attach(peer)
    assert peer.settled
    assert host.asked == ["InitializeSession", "RegisterTools"] * 2


def test_a_session_in_use_is_renewed_once_a_minute(host, clock):
    there, peer = sessions(host, clock), Peer("s")
    there.attach(peer)
    clock.now += RENEW_SECONDS - 1
    there.attach(peer)
    there.renew(peer)
    assert len(host.asked) == 2
    clock.now += 2
    there.attach(peer)
    there.renew(peer)
    assert host.wait_for(3)[2:] == ["Heartbeat"]
    clock.now += RENEW_SECONDS + 1
    host.known.clear()
    there.renew(peer)
    assert host.wait_for(6)[3:6] == ["Heartbeat", "InitializeSession", "RegisterTools"]


def test_a_renewal_that_fails_changes_nothing(host, clock):
    there, peer = sessions(host, clock), Peer("s")
    there.attach(peer)
    clock.now += RENEW_SECONDS + 1

    def away(method: str) -> None:
        raise RpcError(StatusCode.DEADLINE_EXCEEDED, "hangs")

    host.fail = away
    there.renew(peer)
    host.wait_for(3)
    there.renew(peer)
    assert len(host.asked) == 3
    assert peer.settled


def test_a_refused_session_is_an_error_for_all_that_need_it(host, clock):
    host.fail = partial(_refuse)
    there, peer = sessions(host, clock), Peer("s")
    with pytest.raises(RpcError, match="session_quota_exceeded"):
        there.introduce(peer, WAIT)
    host.fail = lambda method: None
    there.introduce(peer, WAIT)


def _refuse(method: str) -> None:
    raise RpcError(StatusCode.INTERNAL, "session_quota_exceeded")


@pytest.mark.parametrize(
    ("said", "unknown"),
    [
        ("not_found", True),
        (":session_not_found", True),
        ("Session not found: s", True),
        ('{:tool_not_found, "s", "x"}', False),
        ("file not_found", False),
        ("", False),
    ],
)
def test_what_the_host_says_of_sessions(said, unknown):
    assert says_unknown(said) is unknown


@pytest.mark.parametrize("locked", [True, False])
def test_two_calls_of_a_new_session_make_one_attempt_thanks_to_the_lock(host, clock, locked):
    there, peer = sessions(host, clock), Peer("s")
    if not locked:
        peer.lock = NoLock()  # type: ignore[assignment]
    meet_after_reading(peer, "settling", Meeting(2, locked=locked))
    at_once([partial(there.attach, peer)] * 2)
    attempts = 1 if locked else 2
    host.wait_for(1 + attempts)
    assert peer.attempts == 1 or not locked
    assert (host.asked.count("RegisterTools") == 1) is locked
