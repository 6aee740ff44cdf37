"""Classic concurrency bugs, each beside its mended twin: what the schedulers are held to.

Imports only the standard library: the bugs are in plain code, as anybody writes it. Each function
is a whole test: state, threads, join, assertion.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from threading import Barrier, Condition, Event, Lock, Semaphore, Thread
from typing import Final


def together(*functions: Callable[[], object]) -> None:
    """Each on a thread of its own, until all have ended."""
    threads = [Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Counter:
    """Counts, with a lock or without."""

    def __init__(self) -> None:
        self.value = 0
        self.lock = Lock()

    def add(self) -> None:
        self.value += 1

    def add_locked(self) -> None:
        with self.lock:
            self.value += 1


def lost_update() -> None:
    counter = Counter()
    together(counter.add, counter.add)
    assert counter.value == 2


def lost_update_mended() -> None:
    counter = Counter()
    together(counter.add_locked, counter.add_locked)
    assert counter.value == 2


class Account:
    """Must never be overdrawn."""

    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.lock = Lock()

    def withdraw(self, amount: int) -> None:
        if self.balance >= amount:
            with self.lock:
                self.balance -= amount

    def withdraw_locked(self, amount: int) -> None:
        with self.lock:
            if self.balance >= amount:
                self.balance -= amount


def check_then_act() -> None:
    account = Account(100)
    together(lambda: account.withdraw(80), lambda: account.withdraw(80))
    assert account.balance >= 0


def check_then_act_mended() -> None:
    account = Account(100)
    together(lambda: account.withdraw_locked(80), lambda: account.withdraw_locked(80))
    assert account.balance >= 0


def _move(first: Lock, second: Lock) -> None:
    with first, second:
        pass


def abba() -> None:
    a, b = Lock(), Lock()
    together(lambda: _move(a, b), lambda: _move(b, a))


def abba_mended() -> None:
    a, b = Lock(), Lock()
    together(lambda: _move(a, b), lambda: _move(a, b))


class Mailbox:
    """One message, and somebody who waits for it."""

    def __init__(self) -> None:
        self.message: str | None = None
        self.changed = Condition()

    def take_without_looking(self) -> None:
        with self.changed:
            self.changed.wait()  # for ever, when the message was there before

    def take(self) -> None:
        with self.changed:
            while self.message is None:
                self.changed.wait()

    def put(self) -> None:
        with self.changed:
            self.message = "hello"
            self.changed.notify()


def lost_wakeup() -> None:
    box = Mailbox()
    together(box.take_without_looking, box.put)


def lost_wakeup_mended() -> None:
    box = Mailbox()
    together(box.take, box.put)


class Config:
    """Made once, on first use; the reference is there before the contents are."""

    def __init__(self) -> None:
        self.values: dict[str, int] | None = None
        self.lock = Lock()

    def get_too_early(self) -> int:
        if self.values is None:
            with self.lock:
                if self.values is None:
                    self.values = {}
                    self.values["limit"] = 10
        return self.values["limit"]

    def get(self) -> int:
        if self.values is None:
            with self.lock:
                if self.values is None:
                    values = {}
                    values["limit"] = 10
                    self.values = values
        return self.values["limit"]


def double_checked() -> None:
    config = Config()
    together(config.get_too_early, config.get_too_early)


def double_checked_mended() -> None:
    config = Config()
    together(config.get, config.get)


class Buffer:
    """Of one place; a woken consumer must look again, for another may have been quicker."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.changed = Condition()

    def put(self, item: int) -> None:
        with self.changed:
            self.items.append(item)
            self.changed.notify()

    def take_if(self) -> int:
        with self.changed:
            if not self.items:
                self.changed.wait()
            return self.items.pop()

    def take_while(self) -> int:
        with self.changed:
            while not self.items:
                self.changed.wait()
            return self.items.pop()


def buffer_if() -> None:
    buffer = Buffer()

    def produce() -> None:
        buffer.put(1)
        buffer.put(2)

    together(buffer.take_if, buffer.take_if, produce)


def buffer_if_mended() -> None:
    buffer = Buffer()

    def produce() -> None:
        buffer.put(1)
        buffer.put(2)

    together(buffer.take_while, buffer.take_while, produce)


class Gate:
    """At most one inside; a try that fails must not give back what it did not get."""

    def __init__(self) -> None:
        self.permits = Semaphore(1)
        self.inside = 0

    def enter_badly(self) -> None:
        try:
            if self.permits.acquire(blocking=False):
                self.use()
        finally:
            self.permits.release()

    def enter(self) -> None:
        if self.permits.acquire(blocking=False):
            try:
                self.use()
            finally:
                self.permits.release()

    def use(self) -> None:
        self.inside += 1
        assert self.inside == 1
        self.inside -= 1


def semaphore_misuse() -> None:
    gate = Gate()
    together(gate.enter_badly, gate.enter_badly, gate.enter_badly)


def semaphore_misuse_mended() -> None:
    gate = Gate()
    together(gate.enter, gate.enter, gate.enter)


def future_self_wait() -> None:
    # Both workers may be taken by parents that wait for children that no worker is left for.
    with ThreadPoolExecutor(2) as pool:

        def parent() -> int:
            return pool.submit(int, 1).result()

        futures = [pool.submit(parent) for _ in range(2)]
        assert [future.result() for future in futures] == [1, 1]


def future_self_wait_mended() -> None:
    with ThreadPoolExecutor(2) as pool, ThreadPoolExecutor(1) as children:

        def parent() -> int:
            return children.submit(int, 1).result()

        futures = [pool.submit(parent) for _ in range(2)]
        assert [future.result() for future in futures] == [1, 1]


class Phases:
    """Two workers that go from phase to phase; the counter of arrivals is used again too early."""

    def __init__(self) -> None:
        self.arrived = 0
        self.lock = Lock()
        self.everybody = Event()
        self.barrier = Barrier(2)

    def meet_badly(self) -> None:
        with self.lock:
            self.arrived += 1
            if self.arrived == 2:
                self.arrived = 0
                self.everybody.set()
        self.everybody.wait()
        self.everybody.clear()  # one that has not woken yet finds it cleared, next time

    def meet(self) -> None:
        self.barrier.wait()


def _phases(meet: Callable[[], None]) -> None:
    def work() -> None:
        for _ in range(2):
            meet()

    together(work, work)


def barrier_reuse() -> None:
    _phases(Phases().meet_badly)


def barrier_reuse_mended() -> None:
    _phases(Phases().meet)


class SharedLock:
    """Readers and a writer; nothing says that a reader must not ask to write."""

    def __init__(self) -> None:
        self.readers = 0
        self.changed = Condition()

    def acquire_read(self) -> None:
        with self.changed:
            self.readers += 1

    def release_read(self) -> None:
        with self.changed:
            self.readers -= 1
            self.changed.notify_all()

    def upgrade(self) -> None:
        with self.changed:
            while self.readers > 1:
                self.changed.wait()
            self.readers = 0


def rw_upgrade() -> None:
    lock = SharedLock()

    def read_then_write() -> None:
        lock.acquire_read()
        lock.upgrade()

    together(read_then_write, read_then_write)


def rw_upgrade_mended() -> None:
    lock = SharedLock()

    def read_then_write() -> None:
        lock.acquire_read()
        lock.release_read()
        with lock.changed:
            while lock.readers:
                lock.changed.wait()

    together(read_then_write, read_then_write)


def empty_then_get() -> None:
    queue: Queue[int] = Queue()
    queue.put(1)

    def drain() -> None:
        if not queue.empty():
            queue.get()  # somebody else may have had it meanwhile

    together(drain, drain)


def empty_then_get_mended() -> None:
    queue: Queue[int | None] = Queue()
    for item in (1, None, None):
        queue.put(item)

    def drain() -> None:
        while queue.get() is not None:
            pass

    together(drain, drain)


def set_result_twice() -> None:
    future: Future[int] = Future()

    def offer() -> None:
        if not future.done():
            future.set_result(1)  # InvalidStateError for the second

    together(offer, offer)


def set_result_twice_mended() -> None:
    future: Future[int] = Future()
    lock = Lock()

    def offer() -> None:
        with lock:
            if not future.done():
                future.set_result(1)

    together(offer, offer)


def stop_flag() -> None:
    # A worker that polls, and a stop that is taken back before the worker has seen it.
    stopped = threading.Event()

    def worker() -> None:
        while not stopped.is_set():
            time.sleep(0.01)

    def stop_briefly() -> None:
        stopped.set()
        stopped.clear()

    together(worker, stop_briefly)


def stop_flag_mended() -> None:
    stopped = threading.Event()

    def worker() -> None:
        while not stopped.is_set():
            time.sleep(0.01)

    together(worker, stopped.set)


class Lazy:
    """Makes its value on first use."""

    def __init__(self) -> None:
        self.value: object = None
        self.lock = Lock()
        self.seen: list[object] = []

    def get(self) -> None:
        if self.value is None:
            self.value = object()
        self.seen.append(self.value)

    def get_locked(self) -> None:
        with self.lock:
            self.get()


def made_twice() -> None:
    lazy = Lazy()
    together(lazy.get, lazy.get)
    assert lazy.seen[0] is lazy.seen[1]


def made_twice_mended() -> None:
    lazy = Lazy()
    together(lazy.get_locked, lazy.get_locked)
    assert lazy.seen[0] is lazy.seen[1]


class Cache:
    """Computes what it does not have."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.lock = Lock()
        self.computed: list[str] = []

    def get(self, key: str) -> int:
        if key not in self.values:
            self.computed.append(key)
            self.values[key] = len(key)
        return self.values[key]

    def get_locked(self, key: str) -> int:
        with self.lock:
            return self.get(key)


def computed_twice() -> None:
    cache = Cache()
    together(lambda: cache.get("key"), lambda: cache.get("key"))
    assert cache.computed == ["key"]


def computed_twice_mended() -> None:
    cache = Cache()
    together(lambda: cache.get_locked("key"), lambda: cache.get_locked("key"))
    assert cache.computed == ["key"]


def pop_of_empty() -> None:
    stack = [1]

    def take() -> None:
        if stack:
            stack.pop()

    together(take, take)


def pop_of_empty_mended() -> None:
    stack = [1]

    def take() -> None:
        try:
            stack.pop()
        except IndexError:
            pass

    together(take, take)


def iterate_and_add() -> None:
    names = {"a": 1, "b": 2}

    def total() -> None:
        sum_ = 0
        for name in names:
            sum_ += names[name]

    def add() -> None:
        names["c"] = 3

    together(total, add)


def iterate_and_add_mended() -> None:
    names = {"a": 1, "b": 2}

    def total() -> None:
        sum_ = 0
        for name in list(names):
            sum_ += names[name]

    def add() -> None:
        names["c"] = 3

    together(total, add)


def philosophers() -> None:
    forks = [Lock() for _ in range(3)]
    together(*[lambda at=at: _move(forks[at], forks[(at + 1) % 3]) for at in range(3)])


def philosophers_mended() -> None:
    forks = [Lock() for _ in range(3)]
    pairs = ((0, 1), (1, 2), (0, 2))  # always the lower one first
    together(*[lambda a=a, b=b: _move(forks[a], forks[b]) for a, b in pairs])


class Box:
    """A value, and a flag that says that it is there."""

    def __init__(self) -> None:
        self.ready = False
        self.value = 0

    def publish_early(self) -> None:
        self.ready = True
        self.value = 42

    def publish(self) -> None:
        self.value = 42
        self.ready = True

    def read(self) -> None:
        if self.ready:
            assert self.value == 42


def published_early() -> None:
    box = Box()
    together(box.publish_early, box.read)


def published_early_mended() -> None:
    box = Box()
    together(box.publish, box.read)


class Bank:
    """Two accounts whose sum never changes, if nobody looks in between."""

    def __init__(self) -> None:
        self.mine = 100
        self.yours = 0
        self.lock = Lock()

    def transfer(self) -> None:
        with self.lock:
            self.mine -= 30
            self.yours += 30

    def audit(self) -> None:
        assert self.mine + self.yours == 100

    def audit_locked(self) -> None:
        with self.lock:
            self.audit()


def torn_read() -> None:
    bank = Bank()
    together(bank.transfer, bank.audit)


def torn_read_mended() -> None:
    bank = Bank()
    together(bank.transfer, bank.audit_locked)


# The bug, its twin, and the kind of failure.
CLASSICS: Final[tuple[tuple[Callable[[], None], Callable[[], None], str], ...]] = (
    (lost_update, lost_update_mended, "AssertionError"),
    (check_then_act, check_then_act_mended, "AssertionError"),
    (abba, abba_mended, "deadlock"),
    (lost_wakeup, lost_wakeup_mended, "deadlock"),
    (double_checked, double_checked_mended, "KeyError"),
    (buffer_if, buffer_if_mended, "IndexError"),
    (semaphore_misuse, semaphore_misuse_mended, "AssertionError"),
    (future_self_wait, future_self_wait_mended, "deadlock"),
    (barrier_reuse, barrier_reuse_mended, "deadlock"),
    (rw_upgrade, rw_upgrade_mended, "deadlock"),
    (empty_then_get, empty_then_get_mended, "deadlock"),
    (set_result_twice, set_result_twice_mended, "InvalidStateError"),
    (stop_flag, stop_flag_mended, "livelock"),
    (made_twice, made_twice_mended, "AssertionError"),
    (computed_twice, computed_twice_mended, "AssertionError"),
    (pop_of_empty, pop_of_empty_mended, "IndexError"),
    (iterate_and_add, iterate_and_add_mended, "RuntimeError"),
    (philosophers, philosophers_mended, "deadlock"),
    (published_early, published_early_mended, "AssertionError"),
    (torn_read, torn_read_mended, "AssertionError"),
)
