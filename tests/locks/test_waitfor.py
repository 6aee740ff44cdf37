"""Who waits for whom: classic deadlocks that are found, and look-alikes that are not."""

import threading

import pytest
from locks.deadlocks.threads import BOUND_SECONDS
from locks.races import started, wait_until
from locks.watching import NEVER, end_wait, look_until_found, program, run_to_deadlock

import ftlocks
from ftlocks import DeadlockError, Lock, RLock, RWLock, UpgradeError, watchdog

SAFE = ["one_order", "back_off", "condition", "downgrade", "executor", "gate"]


def test_two_threads_in_opposite_orders():
    (report,), outcomes = run_to_deadlock("abba")

    assert report.kind == "deadlock"
    by_name = {thread.name: thread for thread in report.threads}
    assert by_name.keys() == {"transfer", "review"}
    assert by_name["transfer"].holding == ("Lock 'accounts'",)
    assert by_name["transfer"].waits_for == "Lock 'audit'"
    assert by_name["transfer"].held_by == ("review",)
    text = str(report)
    assert "2 threads wait for each other: " in text
    assert "in main.<locals>.transfer" in text
    assert "\n        with audit:\n" in text
    assert "_bootstrap" not in text  # every thread has it; it says nothing
    error = outcomes[report.victim]
    assert isinstance(error, DeadlockError)
    assert error.report == report
    (survivor,) = {"transfer", "review"} - {report.victim}
    assert outcomes[survivor] is None


def test_three_parties_with_three_sorts_of_locks():
    (report,), _ = run_to_deadlock("three_parties")

    assert [thread.waits_for for thread in sorted(report.threads, key=lambda t: t.name)] == [
        "key 'EUR' of KeyedLock 'prices'",
        "RLock 'stock'",
        "RWLock 'orders'",
    ]
    names = [thread.name for thread in report.threads]
    assert {"sell -> list_orders", "list_orders -> reprice", "reprice -> sell"} == {
        f"{one} -> {two}" for one, two in zip(names, [*names[1:], names[0]], strict=True)
    }


def test_an_upgrade_by_two_readers_is_refused_by_the_lock_itself():
    outcomes = program("upgrade")()

    for error in outcomes.values():
        assert isinstance(error, UpgradeError)
        assert "holds RWLock 'cache' for reading and cannot wait for writing" in str(error)


def test_waiting_for_a_notification_with_the_lock_that_the_notifier_needs():
    with watchdog(interval=NEVER, break_deadlocks=True) as dog:
        run = started(program("condition_misuse"))
        with run:
            (report,) = look_until_found(dog)
            assert report.victim == ""  # not proved: somebody else might notify
            for state in ftlocks.states():
                for waiter in state.waiters:
                    if waiter.thread.name == "take":
                        waiter.interrupt(DeadlockError(report))
            outcomes = run.join()

    assert report.kind == "possible deadlock"
    text = str(report)
    assert "has waited" in text
    assert "for Condition 'filled' to be notified, which is up to 'put'" in text
    assert "for Lock 'table', which is up to 'take'" in text
    assert isinstance(outcomes["take"], DeadlockError)
    assert outcomes["put"] is None


def test_a_notification_may_come_from_who_has_given_one_before():
    table, filled = Lock("table", statistics=True), ftlocks.Condition(name="filled")

    def take():
        with table, filled:
            filled.wait()

    def put():  # calls notify, but for the other one this need not be so
        with table, filled:
            filled.notify()

    def notify():
        with filled:
            filled.notify()

    with watchdog(interval=NEVER) as dog:
        for _ in range(2):
            with started(take, "take"):
                wait_until(lambda: filled.statistics().waiting == 1)
                with started(put, "put"):
                    wait_until(lambda: table.statistics().waiting == 1)
                    # In the first round nobody has notified yet: suspicious.
                    found = [report.kind for report in dog.check()]
                    assert found == ([] if filled.statistics().notified else ["possible deadlock"])
                    notify()
        assert filled.statistics().notified == 2


def test_a_notified_thread_may_be_stuck_on_its_way_back():
    table, filled = Lock("table", statistics=True), ftlocks.Condition(name="filled")

    def take():
        with table, filled:
            filled.wait()

    def put():
        with filled:
            filled.notify()
            with table:
                pass

    with watchdog(interval=NEVER, break_deadlocks=True) as dog, started(take, "take"):
        wait_until(lambda: filled.statistics().waiting == 1)
        later = started(put, "put")
        later.__enter__()
        (report,) = look_until_found(dog)
        with pytest.raises(DeadlockError):
            later.join()
    assert report.kind == "deadlock"
    assert report.victim == "put"  # the other one has to come back with the lock
    assert {thread.waits_for for thread in report.threads} == {"RLock 'filled'", "Lock 'table'"}


@pytest.mark.parametrize("name", SAFE)
def test_look_alikes_are_silent(name):
    found, looks = [], []
    with (
        ftlocks.check_order(found.append),
        watchdog(interval=NEVER, on_report=found.append) as dog,
    ):
        outcomes = program(f"safe_{name}")(lambda: looks.append(dog.check()))

    assert not [error for error in outcomes.values() if isinstance(error, Exception)]
    assert looks
    assert found == []


@pytest.mark.parametrize("kind", [RLock, Lock])
def test_a_thread_that_waits_for_itself(kind):
    lock = kind("own")

    def twice():
        with lock, lock:
            return "inside twice"

    with watchdog(interval=NEVER, break_deadlocks=True) as dog:
        thread = started(twice, name="twice")
        thread.__enter__()
        if kind is RLock:
            assert thread.join() == "inside twice"
            assert dog.check() == []
        else:
            (report,) = look_until_found(dog)
            assert report.summary == ("thread 'twice' waits for Lock 'own', which it holds itself")
            with pytest.raises(DeadlockError):
                thread.join()
    assert not lock.locked()


def test_a_wait_with_a_timeout_is_no_deadlock():
    a, b = Lock("a", statistics=True), Lock("b", statistics=True)
    meeting = threading.Barrier(2)

    def patient():
        with a:
            meeting.wait(BOUND_SECONDS)
            with b:
                pass

    def impatient():
        with b:
            meeting.wait(BOUND_SECONDS)
            with pytest.raises(DeadlockError):
                a.acquire(timeout=BOUND_SECONDS)

    with watchdog(interval=NEVER) as dog, started(patient), started(impatient, "impatient"):
        wait_until(lambda: a.statistics().waiting == b.statistics().waiting == 1)
        assert dog.check() == []
        end_wait("impatient")


def test_one_look_is_not_believed(monkeypatch):
    """What the first picture shows is reported only when the second shows the same waits."""
    first = threading.Thread(name="first")
    lock = Lock("passing")
    info = lock._info

    def state(*owners):
        waiter = ftlocks.Waiter("exclusive", 0, gated=False)
        return ftlocks.LockState(info, None, owners, (waiter,))

    me = threading.get_ident()
    pictures = [[state(me)], [state(me)]]  # each with a wait of its own
    monkeypatch.setattr("ftlocks._hooks.states", lambda: pictures.pop(0))
    with watchdog(interval=NEVER, long_hold=None, starvation=None) as dog:
        assert dog.check() == []
        assert pictures == []
        same = [state(me)]
        pictures[:] = [same, same]
        assert [report.kind for report in dog.check()] == ["deadlock"]
    assert first.ident is None


def test_a_reader_behind_a_patient_writer_is_part_of_the_ring():
    shared, other = RWLock("shared"), Lock("other", statistics=True)
    reading = threading.Event()

    def reader_first():
        with shared.read():
            reading.set()
            wait_until(lambda: shared.statistics().readers_waiting == 1)
            with other:
                pass

    def writer():
        with shared.write():
            pass

    def reader_later():
        with other:
            reading.wait(BOUND_SECONDS)
            wait_until(lambda: shared.statistics().writers_waiting == 1)
            with shared.read():
                pass

    with watchdog(interval=NEVER) as dog:
        later = started(reader_later, "later")
        with pytest.raises(DeadlockError), later, started(reader_first, "first"):  # noqa: PT012
            reading.wait(BOUND_SECONDS)
            with started(writer, "writer"):
                (report,) = look_until_found(dog)
                end_wait("later")
    assert {thread.name for thread in report.threads} == {"first", "later"}
    assert report.behind == ("writer",)


def test_a_reader_behind_a_writer_that_will_give_up_is_not_stuck():
    shared, other = RWLock("shared"), Lock("other", statistics=True)
    reading = threading.Event()

    def reader_first():
        with shared.read():
            reading.set()
            wait_until(lambda: shared.statistics().readers_waiting == 1)
            with other:
                pass

    def writer():
        with pytest.raises(DeadlockError):
            shared.acquire_write(timeout=BOUND_SECONDS)

    def reader_later():
        with other:
            reading.wait(BOUND_SECONDS)
            wait_until(lambda: shared.statistics().writers_waiting == 1)
            with shared.read():
                pass

    with watchdog(interval=NEVER) as dog, started(reader_later), started(reader_first):
        reading.wait(BOUND_SECONDS)
        with started(writer, "writer"):
            wait_until(lambda: other.statistics().waiting == 1)
            assert dog.check() == []
            end_wait("writer")
