from __future__ import annotations

import threading
from functools import partial

import pytest
from bridge.races import Meeting, NoLock, at_once

from ftbridge.bridge.sessions import (
    MAX_METADATA_BYTES,
    MAX_SESSION_ID_BYTES,
    InvalidSessionError,
    SessionQuotaError,
    SessionStore,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, *, ttl: float = 60.0, quota: int = 10) -> SessionStore:
    return SessionStore(ttl=ttl, quota=quota, clock=clock, wall_clock=lambda: 1_700_000_000_123)


def test_create_is_idempotent_and_keeps_the_first_metadata(clock):
    store = make(clock)
    first = store.create("s", {"node": "a"})
    again = store.create("s", {"node": "b"})
    assert again is first
    assert dict(first.metadata) == {"node": "a"}
    assert first.created_at == 1_700_000_000_123
    assert len(store) == 1


def test_metadata_is_a_copy_that_nobody_can_change(clock):
    given = {"k": "v"}
    session = make(clock).create("s", given)
    given["k"] = "changed"
    assert session.metadata["k"] == "v"
    with pytest.raises(TypeError):
        session.metadata["k"] = "x"  # type: ignore[index]


def test_get_of_a_missing_session_is_none_and_does_not_create(clock):
    store = make(clock)
    assert store.get("s") is None
    assert not store.touch("s")
    assert len(store) == 0


def test_ensure_creates_once(clock):
    store = make(clock)
    session = store.ensure("s")
    assert store.ensure("s") is session
    clock.now += 30
    assert store.ensure("s") is session


def test_an_unused_session_expires_after_its_ttl_and_not_before(clock):
    store = make(clock, ttl=60)
    session = store.create("s")
    clock.now += 59.999
    assert store.get("s") is session
    clock.now += 60
    assert store.get("s") is None
    assert len(store) == 0
    assert store.statistics().expired == 1


def test_use_renews(clock):
    store = make(clock, ttl=60)
    session = store.create("s")
    for _ in range(10):
        clock.now += 50
        assert store.get("s") is session


def test_uses_within_one_step_write_nothing(clock):
    store = make(clock, ttl=600)
    assert store.touch_step == 1.0
    session = store.create("s")
    clock.now += 0.9
    store.get("s")
    assert session.last_used == 1000.0
    clock.now += 0.2
    store.get("s")
    assert session.last_used == clock.now


def test_an_expired_session_is_made_anew_by_ensure(clock):
    store = make(clock, ttl=60)
    old = store.create("s", {"k": "v"})
    clock.now += 60
    new = store.ensure("s")
    assert new is not old
    assert dict(new.metadata) == {}


def test_quota_counts_live_sessions_only(clock):
    store = make(clock, ttl=60, quota=2)
    store.create("a")
    store.create("b")
    with pytest.raises(SessionQuotaError, match=r"session_quota_exceeded: 2 sessions"):
        store.create("c")
    with pytest.raises(SessionQuotaError):
        store.ensure("c")
    assert store.create("a")  # the one that exists needs no place
    clock.now += 60
    assert store.create("c")
    assert len(store) == 1


def test_remove(clock):
    store = make(clock)
    store.create("s")
    assert store.remove("s")
    assert not store.remove("s")
    assert store.get("s") is None
    assert store.statistics().removed == 1


def test_removing_an_expired_session_removes_nothing(clock):
    store = make(clock, ttl=60)
    store.create("s")
    clock.now += 60
    assert not store.remove("s")
    assert store.statistics().expired == 1


def test_expired_sessions_go_with_the_next_renewal_when_a_sweep_is_due(clock):
    store = make(clock, ttl=60, quota=100)
    for n in range(50):
        store.create(f"old-{n}")
    clock.now += 59
    store.create("young")
    clock.now += 1.5
    assert store.get("young") is not None
    assert len(store) == 1


def test_sweep_returns_how_many_it_took(clock):
    store = make(clock, ttl=60)
    store.create("a")
    store.create("b")
    clock.now += 30
    store.touch("b")
    clock.now += 30
    assert store.sweep() == 1
    assert store.get("b") is not None


@pytest.mark.parametrize(
    ("name", "metadata", "complaint"),
    [
        ("", None, "empty"),
        ("x" * (MAX_SESSION_ID_BYTES + 1), None, "longer than"),
        ("\u00e9" * (MAX_SESSION_ID_BYTES // 2 + 1), None, "longer than"),
        ("s", {"k": "v" * MAX_METADATA_BYTES}, "the limit is"),
    ],
)
def test_bounds(clock, name, metadata, complaint):
    store = make(clock)
    with pytest.raises(InvalidSessionError, match=complaint):
        store.create(name, metadata)
    assert len(store) == 0


def test_longest_name_and_largest_metadata_are_accepted(clock):
    store = make(clock)
    store.create("x" * MAX_SESSION_ID_BYTES, {"k": "v" * (MAX_METADATA_BYTES - 1)})


@pytest.mark.parametrize("bad", [{"ttl": 0}, {"ttl": -1}, {"ttl": float("nan")}, {"quota": 0}])
def test_bad_settings_are_refused_by_name(bad):
    [name] = bad
    with pytest.raises(ValueError, match=name):
        SessionStore(**bad)


class MeetingTable(dict[str, object]):
    """A table in which every creator has looked before the first one inserts."""

    def __init__(self, meeting: Meeting) -> None:
        super().__init__()
        self._meeting = meeting

    def __setitem__(self, key: str, value: object) -> None:
        self._meeting()
        super().__setitem__(key, value)


def create_at_once(store: SessionStore, names: list[str], *, locked: bool) -> list[object]:
    if not locked:
        store._lock = NoLock()  # type: ignore[assignment]
    store._sessions = MeetingTable(Meeting(len(names), locked=locked))  # type: ignore[assignment]
    return at_once([partial(store.create, name) for name in names])


@pytest.mark.parametrize("locked", [True, False])
def test_threads_that_create_one_session_all_get_the_same_thanks_to_the_lock(clock, locked):
    results = create_at_once(make(clock), ["s"] * 4, locked=locked)
    assert len(set(map(id, results))) == (1 if locked else 4)


@pytest.mark.parametrize("locked", [True, False])
def test_the_quota_holds_when_threads_race_for_the_last_place_thanks_to_the_lock(clock, locked):
    store = make(clock, quota=1)
    results = create_at_once(store, ["a", "b", "c", "d"], locked=locked)
    assert len(store) == (1 if locked else 4)
    assert sum(isinstance(result, SessionQuotaError) for result in results) == 4 - len(store)


def test_a_session_in_use_survives_the_sweeps_of_other_threads():
    store = SessionStore(ttl=3600, quota=10_000)
    first = store.create("busy")
    stop = threading.Event()
    lost: list[str] = []

    def use() -> None:
        while not stop.is_set():
            if store.ensure("busy") is not first:
                lost.append("busy")

    users = [threading.Thread(target=use) for _ in range(3)]
    for user in users:
        user.start()
    for n in range(300):
        store.create(f"other-{n}")
        store.sweep()
        store.remove(f"other-{n}")
    stop.set()
    for user in users:
        user.join()
    assert not lost
    assert len(store) == 1
