"""A named lock of an adapter: plain until somebody reads, and nobody let in twice in between."""

import threading

import pytest
from locks.races import SURE_SECONDS, started, wait_until

from ftbridge.adapters import locks
from ftbridge.adapters.errors import LockTimeoutError
from ftbridge.adapters.locks import AdapterLocks
from ftlocks import RLock, RWLock, UpgradeError


def ledger():
    made = AdapterLocks("Shop")
    return made, made._named.get("ledger") or made._make("ledger")[2]


def test_it_is_a_plain_lock_until_somebody_reads():
    made, named = ledger()
    with made.write("ledger", None), made.write("ledger", 1.0):
        assert isinstance(named.plain, RLock)
        assert named.plain._recursion_count() == 2
        assert named.shared is None

    with made.read("ledger", None):
        assert isinstance(named.shared, RWLock)
        assert [owner.name for owner in named.shared.statistics().readers] == ["MainThread"]
        assert not named.plain.locked()
    assert made.write("ledger", None).name == named.shared.name == "Shop.ledger"
    with made.write("ledger", None):
        assert named.shared.statistics().writer is not None
        assert not named.plain.locked()
    assert named.shared.statistics().writer is None


def test_the_first_reader_waits_for_the_writer_inside():
    made, named = ledger()
    with made.write("ledger", None):

        def read():
            with made.read("ledger", 0.01):
                pass

        with (
            pytest.raises(LockTimeoutError, match=r"to read to .*Shop\.ledger.* within 0\.01 s"),
            started(read),
        ):
            pass
        assert named.shared is None

        entered = threading.Event()

        def read_patiently():
            with made.read("ledger", None):
                entered.set()

        reader = started(read_patiently)
        reader.__enter__()
        assert not entered.wait(0.05)
    reader.join()
    assert entered.is_set()


def test_a_writer_that_waited_for_the_plain_lock_goes_over_to_the_shared_one():
    made, named = ledger()
    named.plain = RLock("Shop.ledger", statistics=True)  # so that one sees who waits
    inside = []

    def write():
        with made.write("ledger", None):
            inside.append(named.shared.statistics().writer.name)

    second = started(write, "second")
    with made.write("ledger", None):
        second.__enter__()
        wait_until(lambda: named.plain.statistics().waiting == 1)
        with made.read("ledger", None):  # makes it a shared one
            wait_until(lambda: named.shared.statistics().writers_waiting == 1)
            assert inside == []
            assert not named.plain.locked()
    second.join()
    assert inside == ["second"]


def test_a_thread_that_writes_may_read_for_the_first_time_inside():
    made, named = ledger()

    def outside(side):
        def attempt():
            try:
                with side(0.01):
                    return "let in"
            except LockTimeoutError:
                return "kept out"

        with started(attempt) as run:
            return run.join()

    with made.write("ledger", None), made.write("ledger", None):
        with made.read("ledger", None):
            assert named.shared.statistics().writer is not None
            assert not named.plain.locked()
            for side in (made.read, made.write):
                assert outside(lambda timeout, side=side: side("ledger", timeout)) == "kept out"
        assert named.shared.statistics().writer is not None
    assert named.shared.statistics().writer is None
    assert outside(lambda timeout: made.write("ledger", timeout)) == "let in"


def test_a_reader_cannot_begin_to_write():
    made, _ = ledger()
    with (
        made.read("ledger", None),
        pytest.raises(UpgradeError, match="leave the read block first"),
        made.write("ledger", None),
    ):
        pass


@pytest.mark.parametrize("carried", [True, False])
def test_carrying_blocks_over_is_what_keeps_others_out(monkeypatch, carried):
    made, named = ledger()
    if not carried:
        monkeypatch.setattr(
            locks._Named, "_begin_sharing", lambda self: setattr(self, "shared", RWLock("x"))
        )
    met = threading.Event()

    def write():
        with made.write("ledger", 0.05 if carried else SURE_SECONDS):
            met.set()

    with made.write("ledger", None):
        with made.read("ledger", None):
            pass
        if carried:
            with pytest.raises(LockTimeoutError), started(write):
                pass
        else:
            named.plain.release()  # else the weakened one only hangs
            with started(write):
                pass
            named.plain.acquire()
            named.shared.acquire_write()  # for the block's end
    assert met.is_set() is not carried
