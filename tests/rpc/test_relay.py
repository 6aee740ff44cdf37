"""The relay, with a role that runs what a test hands it through a queue."""

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from ftbridge.rpc.relay import PATROL_SECONDS, Relay

WAIT = 20.0  # seconds; only ever used up when something is broken


class Job:
    def __init__(self, body: Callable[[], None]) -> None:
        self._body = body
        self.thread = ""
        self.done = threading.Event()

    def run(self) -> None:
        self.thread = threading.current_thread().name
        try:
            self._body()
        finally:
            self.done.set()


class Desk:
    """A role: takes jobs from a queue and lends itself to each."""

    def __init__(self, patrol: float = PATROL_SECONDS) -> None:
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.holders: list[str] = []
        self.relay = Relay(self._role, name="desk", patrol=patrol)

    def _role(self, seat: int) -> bool:
        self.holders.append(threading.current_thread().name)
        while (job := self.jobs.get()) is not None:
            while not self.relay.manned:
                threading.Event().wait(0.001)
            if not self.relay.lend(seat, job):
                return True
        return False

    def run(self, body: Callable[[], None]) -> Job:
        job = Job(body)
        self.jobs.put(job)
        return job


@pytest.fixture
def desk() -> Iterator[Desk]:
    yield from _served(Desk())


@pytest.fixture
def patient() -> Iterator[Desk]:
    """A desk whose second thread never finds work too long, on the busiest machine."""
    yield from _served(Desk(patrol=10 * WAIT))


def _served(desk: Desk) -> Iterator[Desk]:
    desk.relay.start()
    yield desk
    desk.jobs.put(None)
    desk.relay.stop(WAIT)
    assert not any(thread.is_alive() for thread in desk.relay.threads)


def test_short_work_leaves_the_role_where_it_is(patient: Desk) -> None:
    for _ in range(100):
        job = patient.run(lambda: None)
        assert job.done.wait(WAIT)
        assert job.thread == "desk"
    assert patient.holders == ["desk"]


def test_work_that_blocks_loses_the_role_and_its_thread_stands_by_again(desk: Desk) -> None:
    release = threading.Event()
    blocked = desk.run(lambda: assert_set(release))
    # The next job can only run once the other thread has taken the role; it has nobody behind
    # it, and the desk waits for that: so the first thread is let go by a third one.
    helper = threading.Thread(target=when, args=(lambda: len(desk.holders) == 2, release.set))
    helper.start()
    after = desk.run(lambda: None)
    assert after.done.wait(WAIT)
    helper.join(WAIT)
    assert blocked.done.wait(WAIT)
    assert blocked.thread == "desk"
    assert after.thread == "desk-standby"
    assert desk.holders == ["desk", "desk-standby"]


def test_the_role_goes_to_and_fro(desk: Desk) -> None:
    for turn in range(6):
        release = threading.Event()
        job = desk.run(lambda event=release: assert_set(event))
        when(lambda want=turn + 2: len(desk.holders) == want, release.set)
        assert job.done.wait(WAIT)
    assert desk.holders == ["desk", "desk-standby"] * 3 + ["desk"]


def test_nobody_stands_by_while_the_first_is_still_at_work(desk: Desk) -> None:
    release = threading.Event()
    job = desk.run(lambda: assert_set(release))
    when(lambda: len(desk.holders) == 2, lambda: None)
    assert not desk.relay.manned
    assert desk.relay.busy == 1
    release.set()
    assert job.done.wait(WAIT)
    when(lambda: desk.relay.manned, lambda: None)


def test_what_work_raises_ends_neither_thread(
    patient: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise SystemExit(3)

    assert patient.run(fail).done.wait(WAIT)
    assert patient.run(lambda: None).done.wait(WAIT)
    assert "unexpected error" in caplog.text
    assert patient.holders == ["desk"]


def test_a_standby_that_parks_all_the_time_outlives_a_busy_holder(
    patient: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftbridge.rpc.relay._QUIET_PATROLS", 0)
    monkeypatch.setattr("ftbridge.rpc.relay._SLEEP_SECONDS", 0.0)
    patient.relay._calls.put(None)  # out of its long patrol, into parking without a pause
    for _ in range(3000):
        last = patient.run(lambda: None)
    assert last.done.wait(WAIT)
    assert patient.relay.threads[1].is_alive()


def test_each_thread_says_that_it_leaves() -> None:
    left: list[str] = []
    relay = Relay(
        lambda seat: False, name="r", on_leave=lambda: left.append(threading.current_thread().name)
    )
    relay.start()
    relay.stop(WAIT)
    assert sorted(left) == ["r", "r-standby"]


def test_a_parked_standby_is_called(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftbridge.rpc.relay._QUIET_PATROLS", 0)
    # Longer than the test would wait: only a call can wake it.
    monkeypatch.setattr("ftbridge.rpc.relay._SLEEP_SECONDS", 10 * WAIT)
    when(lambda: desk.relay._parked, lambda: None)
    monkeypatch.setattr("ftbridge.rpc.relay._QUIET_PATROLS", 1_000_000)
    release = threading.Event()
    job = desk.run(lambda: assert_set(release))
    when(lambda: len(desk.holders) == 2, release.set)
    assert job.done.wait(WAIT)


def assert_set(event: threading.Event) -> None:
    assert event.wait(WAIT)


def when(condition: Callable[[], bool], then: Callable[[], object]) -> None:
    """Do ``then`` once ``condition`` holds; fail when it never does."""
    pause = threading.Event()
    for _ in range(int(WAIT / 0.001)):
        if condition():
            then()
            return
        pause.wait(0.001)
    raise AssertionError("it never came to that")
