"""The session store: created once, removed once, never above the quota, counts that add up."""

from ftbridge.bridge.sessions import SessionQuotaError, SessionStore
from ftstress.suites._threads import together

MODULES = ("ftbridge.bridge.sessions",)


class _Clock:
    """Seconds, as they are set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _store(quota: int = 10) -> SessionStore:
    return SessionStore(ttl=60.0, quota=quota, clock=_Clock(), wall_clock=lambda: 0)


def created_once() -> None:
    store = _store()
    made: list[object] = []
    together(*(lambda: made.append(store.create("a")) for _ in range(2)))
    assert made[0] is made[1]
    assert store.statistics().created == 1


def removed_once() -> None:
    store = _store()
    store.create("a")
    removed: list[bool] = []
    together(*(lambda: removed.append(store.remove("a")) for _ in range(2)))
    assert sorted(removed) == [False, True]
    assert store.statistics().removed == 1


def never_above_the_quota() -> None:
    store = _store(quota=1)

    def create(name: str) -> None:
        try:
            store.create(name)
        except SessionQuotaError:
            pass

    together(lambda: create("a"), lambda: create("b"))
    assert len(store) == 1
    assert store.statistics().open == store.statistics().created == 1


def found_or_not_but_never_after_its_removal() -> None:
    store = _store()
    store.create("a")
    removed: list[bool] = []

    def remove() -> None:
        store.remove("a")
        removed.append(True)

    def get() -> None:
        was_removed = bool(removed)
        found = store.get("a")
        assert found is None or not was_removed

    together(remove, get)
    assert store.get("a") is None


def sweeping_beside_making_and_removing() -> None:
    clock = _Clock()
    store = SessionStore(ttl=10.0, clock=clock, wall_clock=lambda: 0)
    store.create("old")
    clock.now = 11.0
    together(store.sweep, lambda: store.create("new"), lambda: store.remove("old"))
    found = store.statistics()
    assert found.open == 1
    assert found.created == found.open + found.removed + found.expired


def counts_of_one_moment() -> None:
    store = _store()

    def look() -> None:
        found = store.statistics()
        assert found.created == found.open + found.removed + found.expired

    def live() -> None:
        store.create("a")
        store.remove("a")

    together(look, live)
