"""The race detector on ftbridge's own code: silent as it is, and loud when a lock is taken out."""

import threading
from pathlib import Path

import pytest

from ftbridge.bridge import sessions
from ftstress import importing
from ftstress.detection import detecting
from ftstress.suppressions import reason

# The name gives it its package.
NAME = "ftbridge.bridge.rewritten_sessions"
SOURCE = Path(sessions.__file__).read_text("utf-8")
LOCK = "with self._lock:"
# What calls the method around each lock, in the order of the source.
CALLS = [
    lambda store: store.get("shared"),
    lambda store: store.create("shared"),
    lambda store: store.remove("shared"),
    lambda store: store.sweep(),
    lambda store: store.statistics(),
]


def races(path, call):
    """Races of the call beside a request that makes and ends a session."""
    with detecting() as detector:
        store = importing.load_file(path, NAME).SessionStore()

        def beside(store):
            store.create("shared")
            store.remove("shared")

        def attempt(function):
            try:
                function(store)
            except KeyError:  # a broken store may break in this very run
                broken.append(function)

        broken = []
        threads = [threading.Thread(target=attempt, args=(f,)) for f in (beside, call)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = [race for race in detector.races() if reason(race, []) is None]
    assert found or not broken
    return found


def test_every_lock_of_the_session_store_has_a_call():
    assert SOURCE.count(LOCK) == len(CALLS)


@pytest.mark.parametrize("index", range(len(CALLS)))
def test_the_session_store_has_no_race(index):
    assert [race.text() for race in races(Path(sessions.__file__), CALLS[index])] == []


@pytest.mark.parametrize("index", range(len(CALLS)))
def test_a_lock_taken_out_of_the_session_store_is_found(tmp_path, index):
    parts = SOURCE.split(LOCK)
    broken = tmp_path / "broken_sessions.py"
    broken.write_text(
        LOCK.join(parts[: index + 1]) + "if True:" + LOCK.join(parts[index + 1 :]), "utf-8"
    )

    assert races(broken, CALLS[index])
