"""`Channel`: bounded, in order, and closed without anybody being left behind."""

import pytest
from locks.races import started, wait_until

import ftlocks
from ftlocks import AcquireTimeoutError, Channel, ClosedError, Observer, WouldBlockError, observing
from ftstress import run_parallel


class Boundless(Channel):
    """Forgets its capacity."""

    __slots__ = ()

    def __init__(self, capacity):
        super().__init__(None)


@pytest.mark.parametrize("kind", [Channel, Boundless])
def test_a_full_channel_holds_the_sender_up_until_there_is_room(kind):
    channel = kind(2)
    log = []

    def send():
        for number in range(3):
            channel.put(number)
        log.append("sent")

    with started(send) as sending:
        if kind is Channel:
            wait_until(lambda: channel.statistics().putting == 1)
        else:
            sending.join()
        log.append("looked")
        assert channel.get() == 0
    assert log == (["looked", "sent"] if kind is Channel else ["sent", "looked"])
    assert [channel.get(), channel.get()] == [1, 2]


class Deaf(Channel):
    """Closes without telling those who wait."""

    __slots__ = ()

    def close(self):
        self._closed = True


@pytest.mark.parametrize("kind", [Channel, Deaf])
def test_closing_ends_every_wait(kind):
    empty, full = kind(1), kind(1)
    full.put("kept")
    seconds = 20 if kind is Channel else 0.5  # long enough to be seen waiting on a busy machine
    expected = ClosedError if kind is Channel else AcquireTimeoutError

    def get():
        with pytest.raises(expected):
            empty.get(seconds)

    def put():
        with pytest.raises(expected):
            full.put("refused", seconds)

    with started(get), started(put):
        wait_until(lambda: empty.statistics().getting and full.statistics().putting)
        empty.close()
        full.close()
    assert full.get() == "kept"


def test_what_was_sent_before_the_end_can_be_read_after_it():
    with Channel(10, "jobs") as channel:
        for number in range(3):
            channel.put(number)
    assert channel.closed
    channel.close()
    with pytest.raises(
        ClosedError, match=r"'MainThread' cannot put: .*'MainThread' has closed Ch.*'jobs'$"
    ):
        channel.put(3)
    assert list(channel) == [0, 1, 2]
    assert list(channel) == []
    with pytest.raises(ClosedError, match=r"'MainThread' cannot get: .* nothing is left in it"):
        channel.get()
    assert repr(channel).endswith(": 0 of 10 closed>")


@pytest.mark.parametrize("capacity", [1, 3, None])
def test_every_item_arrives_once_and_in_its_senders_order(capacity):
    channel = Channel(capacity)
    count = 200

    def send(name):
        for number in range(count):
            channel.put((name, number))

    def receive():
        return list(channel)

    def send_all():
        run_parallel(lambda: send("a"), lambda: send("b"))
        channel.close()

    _, first, second = run_parallel(send_all, receive, receive)

    assert sorted(first + second) == [(name, n) for name in "ab" for n in range(count)]
    for received in (first, second):
        for name in "ab":
            numbers = [n for sender, n in received if sender == name]
            assert numbers == sorted(numbers)
    figures = channel.statistics()
    assert (figures.puts, figures.gets, figures.size) == (2 * count, 2 * count, 0)


def test_receivers_are_served_in_the_order_of_arrival():
    channel = Channel(5)
    threads = []
    for number in range(3):
        threads.append(started(channel.get).__enter__())
        wait_until(lambda number=number: channel.statistics().getting == number + 1)
    for number in range(3):
        channel.put(number)
    assert [thread.join() for thread in threads] == [0, 1, 2]
    assert channel.statistics().get_waits == 3


def test_senders_are_served_in_the_order_of_arrival():
    channel = Channel(1)
    channel.put("first")
    threads = []
    for number in range(3):
        threads.append(started(lambda number=number: channel.put(number)).__enter__())
        wait_until(lambda number=number: channel.statistics().putting == number + 1)
    assert [channel.get() for _ in range(4)] == ["first", 0, 1, 2]
    for thread in threads:
        thread.join()


def test_tries_and_timeouts_say_what_is_the_matter():
    channel = Channel(1, "jobs")
    with pytest.raises(WouldBlockError, match="'jobs' is empty"):
        channel.get_nowait()
    with pytest.raises(AcquireTimeoutError, match=r"'jobs' was still empty after 0\.01 s"):
        channel.get(0.01)
    with pytest.raises(AcquireTimeoutError, match="still empty after 0 s"):
        channel.get(0)
    channel.put_nowait(None)
    with pytest.raises(WouldBlockError, match=r"'jobs' is full \(1 items\)"):
        channel.put_nowait(2)
    with pytest.raises(AcquireTimeoutError, match=r"full \(1 items\) after 0\.01 s"):
        channel.put(2, 0.01)
    with pytest.raises(AcquireTimeoutError, match="after 0 s"):
        channel.put(2, 0)
    assert channel.get_nowait() is None
    assert len(channel) == 0
    with pytest.raises(ValueError, match="got 0"):
        Channel(0)


def test_an_item_handed_to_an_interrupted_thread_is_not_lost():
    channel = Channel(2)
    channel.put("b")
    waiter = ftlocks.channel._ItemWaiter("get", 0, gated=True)
    waiter.item = "a"
    channel._undo(waiter)  # as `_park` does when an exception comes with the item
    assert [channel.get(), channel.get()] == ["a", "b"]


def test_waits_are_told_and_seen():
    channel = Channel(1, "jobs")
    told = []

    class Watcher(Observer):
        def waited(self, lock, mode, waited_ns, granted):
            told.append((lock.label, mode, granted))

    with observing(Watcher()), started(channel.get) as receiving:
        wait_until(lambda: channel.statistics().getting == 1)
        (state,) = [state for state in ftlocks.states() if state.info is channel._info]
        assert [waiter.thread for waiter in state.waiters] == [receiving.thread]
        assert "getting=1" in repr(channel)
        channel.put(1)
        receiving.join()
    assert told == [("jobs", "get", True)]


def test_who_closed_a_channel_is_named_to_those_who_wait():
    channel = Channel(1, "jobs")

    def get():
        with pytest.raises(
            ClosedError,
            match=r"'reader' cannot wait to get any longer: thread 'boss' has closed .*'jobs'",
        ):
            channel.get()

    with started(get, "reader"):
        wait_until(lambda: channel.statistics().getting)
        with started(channel.close, "boss"):
            pass
    channel.close()  # not the one who did
    with pytest.raises(ClosedError, match="'boss' has closed"):
        channel.put(1)
