"""Who waits for whom: classic deadlocks that are found, and look-alikes that are not."""

import threading

import pytest
from locks.deadlocks.threads import BOUND_SECONDS
from locks.races import started, wait_until
from locks.watching import NEVER, end_wait, look_until_found, program, run_to_deadlock

import ftlocks
from ftlocks import (
    Barrier,
    Channel,
    DeadlockError,
    Lock,
    RLock,
    RWLock,
    Semaphore,
    UpgradeError,
    watchdog,
)

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


def blocked_pair(dog, first, second, seen):
    """What is found while two threads, `first` and `second`, wait; both are then let go."""
    with started(quiet(first), "first"), started(quiet(second), "second"):
        wait_until(seen)
        found = dog.check()
        for name in ("first", "second"):
            end_wait(name)
    return found


def quiet(function):
    def run():
        try:
            function()
        except (DeadlockError, threading.BrokenBarrierError):
            pass

    return run


def holding(lock, then, entered):
    def run():
        with lock:
            entered.set()
            then()

    return run


@pytest.mark.parametrize("signalled", [False, True], ids=["mutex", "signal"])
def test_a_semaphore_whose_permits_come_back_from_their_takers_has_holders(signalled):
    seats, table = Semaphore(1, "seats"), Lock("table", statistics=True)
    if signalled:
        with started(seats.acquire):  # another thread than the one that gives it back
            pass
        seats.release()
    sits, lays = threading.Event(), threading.Event()

    def sit():
        with seats:
            sits.set()
            lays.wait(BOUND_SECONDS)
            with table:
                pass

    def lay():
        sits.wait(BOUND_SECONDS)
        with table:
            lays.set()
            seats.acquire()

    with watchdog(interval=NEVER) as dog:
        found = blocked_pair(
            dog,
            sit,
            lay,
            lambda: seats.statistics().waiting and table.statistics().waiting,
        )
    if signalled:
        assert found == []
        return
    (report,) = found
    assert report.kind == "possible deadlock"
    by_name = {thread.name: thread for thread in report.threads}
    assert by_name["first"].holding == ("a permit of Semaphore 'seats'",)
    assert by_name["second"].waits_for == "a permit of Semaphore 'seats'"
    assert by_name["second"].held_by == ("first",)


def test_a_permit_that_a_thread_waits_for_while_it_has_the_only_one():
    seats = Semaphore(1, "seats")

    def twice():
        with seats:
            seats.acquire()

    with watchdog(interval=NEVER) as dog, started(quiet(twice), "twice"):
        (report,) = look_until_found(dog)
        end_wait("twice")
    assert report.kind == "possible deadlock"
    assert report.summary == (
        "thread 'twice' waits for a permit of Semaphore 'seats', and is that thread itself"
    )


def test_one_permit_with_a_thread_that_runs_is_enough():
    seats, table = Semaphore(2, "seats"), Lock("table", statistics=True)
    seats.acquire()  # this thread's
    sits, lays = threading.Event(), threading.Event()

    def sit():
        with seats:
            sits.set()
            lays.wait(BOUND_SECONDS)
            with table:
                pass

    def lay():
        sits.wait(BOUND_SECONDS)
        with table:
            lays.set()
            seats.acquire()

    with watchdog(interval=NEVER) as dog:
        found = blocked_pair(
            dog, sit, lay, lambda: seats.statistics().waiting and table.statistics().waiting
        )
    assert found == []


@pytest.mark.parametrize("rounds", ["none", "one", "others"])
def test_a_barrier_whose_missing_party_is_stuck(rounds):
    barrier, table = Barrier(2, name="stage"), Lock("table", statistics=True)
    entered = threading.Event()

    def meet():
        if rounds != "none":
            barrier.wait(BOUND_SECONDS)

    def first():
        meet()
        holding(table, barrier.wait, entered)()

    def second():
        meet()
        entered.wait(BOUND_SECONDS)
        with table:  # it would come to the barrier next
            pass

    if rounds == "others":

        def come():
            barrier.wait(BOUND_SECONDS)

        with started(come), started(come):
            pass
    with watchdog(interval=NEVER) as dog:
        found = blocked_pair(
            dog, first, second, lambda: barrier.n_waiting and table.statistics().waiting
        )
    assert [report.kind for report in found] == ["possible deadlock"] * (rounds == "one")
    if found:
        assert "waits for the others at Barrier 'stage'" in str(found[0]).replace(
            "has waited 0.0 s for", "waits for"
        )


@pytest.mark.parametrize("side", ["put", "get"])
@pytest.mark.parametrize("another", [False, True], ids=["alone", "with another"])
def test_a_channel_whose_only_other_user_is_stuck(side, another):
    channel, table = Channel(1, "jobs"), Lock("table", statistics=True)
    entered = threading.Event()

    def put():
        channel.put("item")

    fill, drain = (put, channel.get) if side == "put" else (channel.get, put)

    def first():
        fill()
        # Waits in the channel, at the latest the second time, and holds what the other one needs.
        holding(table, lambda: [fill(), fill()], entered)()

    def second():
        drain()
        entered.wait(BOUND_SECONDS)
        with table:
            drain()

    if another:
        # This thread has done it before, and does not wait for anything now.
        channel.put("item")
        channel.get()

    def stuck():
        figures = channel.statistics()
        return table.statistics().waiting and (figures.putting or figures.getting)

    with watchdog(interval=NEVER) as dog:
        found = blocked_pair(dog, first, second, stuck)
    assert [report.kind for report in found] == ["possible deadlock"] * (not another)
    if found:
        what = {"put": "room in Channel 'jobs'", "get": "an item of Channel 'jobs'"}[side]
        assert {thread.waits_for for thread in found[0].threads} == {what, "Lock 'table'"}


def test_threads_that_all_wait_for_work_are_idle():
    here, there = Channel(1, "here"), Channel(1, "there")

    def first():
        there.put("hello")
        here.get()
        here.get()

    def second():
        there.get()
        here.put("hello")
        there.get()

    def idle():
        return here.statistics().getting and there.statistics().getting and here._put_by.known()

    with watchdog(interval=NEVER) as dog:
        found = blocked_pair(dog, first, second, lambda: idle() and len(here) == 0)
    assert found == []
