"""Properly synchronised code, each function one way; no detector may say a word about it.

Instrumented and run by ``test_fasttrack.py``; none of it is a test by itself.
"""

import asyncio
import queue
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, as_completed

import ftlocks


class Box:
    def __init__(self):
        self.value = 0
        self.items = []
        self.table = {}


def together(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def start_and_join():
    box = Box()
    box.value = 1

    def work():
        box.value += 1

    for _ in range(3):
        together(work)
    return box.value


def is_alive_that_is_false():
    box = Box()
    thread = threading.Thread(target=lambda: setattr(box, "value", 1) or box.items.append(1))
    thread.start()
    while thread.is_alive():
        pass
    return len(box.items)


def lock():
    box, mutex = Box(), threading.Lock()

    def work():
        for number in range(5):
            with mutex:
                box.value += 1
                box.items.insert(0, number)
                box.table[number] = len(box.items)

    together(work, work)


def rlock():
    box, mutex = Box(), threading.RLock()

    def inner():
        with mutex:
            box.value += 1

    def work():
        with mutex:
            inner()
            box.value += 1

    together(work, work)


def condition():
    box, ready = Box(), threading.Condition()

    def produce():
        with ready:
            box.items.append(1)
            ready.notify()

    def consume():
        with ready:
            while not box.items:
                ready.wait()
            box.items.pop()

    together(consume, produce)


def event():
    box, ready = Box(), threading.Event()

    def produce():
        box.value = 1
        ready.set()

    def consume():
        ready.wait()
        box.value += 1

    def ask():
        while not ready.is_set():
            pass

    together(consume, produce, ask)


def semaphore():
    box, items = Box(), threading.Semaphore(0)

    def produce():
        box.value = 1
        items.release()

    def consume():
        items.acquire()
        box.value += 1

    together(consume, produce)


def barrier():
    boxes, meeting = [Box(), Box()], threading.Barrier(2)

    def work(mine, other):
        boxes[mine].value = 1
        meeting.wait()
        assert boxes[other].value == 1

    together(lambda: work(0, 1), lambda: work(1, 0))


def queue_of_objects(kind):
    items, done = kind(), kind()

    def produce():
        for number in range(5):
            box = Box()
            box.value = number
            items.put(box)
        items.put(None)

    def consume():
        while (box := items.get()) is not None:
            box.value += 1
            done.put(box)

    together(produce, consume)
    return [done.get().value for _ in range(5)]


def fifo_queue():
    queue_of_objects(queue.Queue)


def simple_queue():
    queue_of_objects(queue.SimpleQueue)


def channel():
    queue_of_objects(lambda: ftlocks.Channel(10))


def queue_join():
    box, jobs = Box(), queue.Queue()

    def work():
        jobs.get()
        box.value = 1
        jobs.task_done()

    thread = threading.Thread(target=work)
    thread.start()
    jobs.put(1)
    jobs.join()
    box.value += 1
    thread.join()


def deque_of_objects():
    items = deque()

    def produce():
        for number in range(5):
            box = Box()
            box.value = number
            items.append(box)

    def consume():
        left = 5
        while left:
            try:
                box = items.popleft()
            except IndexError:
                continue
            box.value += 1
            left -= 1

    together(produce, consume)


def executor_results():
    box = Box()

    def work(number):
        own = Box()
        own.value = number + box.value
        return own

    with ThreadPoolExecutor(2) as pool:
        box.value = 1
        futures = [pool.submit(work, number) for number in range(6)]
        for future in as_completed(futures):
            future.result().value += 1
        for own in pool.map(work, range(4)):
            own.value += 1


def executor_shutdown():
    box = Box()

    def work():
        box.value = 1

    with ThreadPoolExecutor(2) as pool:
        pool.submit(work)
    box.value += 1


def future_callback():
    box = Box()

    def work():
        box.value = 1

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        future.add_done_callback(lambda _: setattr(box, "value", box.value + 1))
        while not future.done():
            pass
        box.table["done"] = box.value if future.exception() is None else None


def own_slots():
    results = [None] * 2
    table = {}

    def work(index):
        results[index] = index
        table[f"worker {index}"] = index

    together(lambda: work(0), lambda: work(1))
    assert results == [0, 1]
    return sorted(table)


def atomic_steps():
    found, seen, groups = [], set(), {}

    def work():
        found.append(1)
        seen.add("x")
        groups.setdefault("x", [])

    together(work, work)
    return len(found), len(seen), len(groups)


def double_checked():
    box, mutex = Box(), threading.Lock()

    def work():
        if "model" not in box.table:
            with mutex:
                if "model" not in box.table:
                    made = Box()
                    made.value = 7
                    box.table["model"] = made
        return box.table["model"].value

    together(work, work, work)


class Lazy:
    def __init__(self):
        self._value = None
        self._lock = threading.Lock()

    def get(self):
        value = self._value
        if value is None:
            with self._lock:
                value = self._value
                if value is None:
                    value = self._value = Box()
        return value.items


def double_checked_local():
    lazy = Lazy()
    together(lazy.get, lazy.get)


def once():
    first = ftlocks.Once()
    lazy = ftlocks.Lazy(Box)

    def work():
        assert first.call(Box).value == 0
        return lazy.get().items

    together(work, work, work)


def peek_once():
    first = ftlocks.Once()

    def ask():
        while not first.done:
            pass
        return first.peek(None).value

    together(ask, lambda: first.call(Box))


def locks_of_ftlocks():
    box, mutex, again = Box(), ftlocks.Lock(), ftlocks.RLock()

    def work():
        with mutex:
            box.value += 1
        with again, again:
            box.items.insert(0, 1)

    together(work, work)


def rwlock():
    box, lock = Box(), ftlocks.RWLock()

    def write():
        with lock.write():
            box.value += 1

    def read():
        with lock.read():
            return box.value

    together(write, read, write, read)


def keyed_lock():
    box, lock = Box(), ftlocks.KeyedLock()

    def work():
        for _ in range(3):
            with lock.hold("a"):
                box.value += 1

    together(work, work)


def striped_lock():
    box, lock = Box(), ftlocks.StripedLock(4)

    def work():
        with lock["a"]:
            box.value += 1

    together(work, work)


def ftlocks_waiting():
    box = Box()
    ready, items, meeting = ftlocks.Event(), ftlocks.Semaphore(0), ftlocks.Barrier(2)

    def produce():
        box.value = 1
        ready.set()
        box.items.append(1)
        items.release()
        meeting.wait()
        box.table["end"] = 1

    def consume():
        ready.wait()
        box.value += 1
        items.acquire()
        box.items.clear()
        meeting.wait()

    together(produce, consume)


def ftlocks_condition():
    box, ready = Box(), ftlocks.Condition()

    def produce():
        with ready:
            box.items.append(1)
            ready.notify()

    def consume():
        with ready:
            ready.wait_for(lambda: box.items)
            box.items.pop()

    together(consume, produce)


def atomic_reference():
    published = ftlocks.AtomicRef(None)

    def produce():
        box = Box()
        box.value = 1
        published.set(box)

    def consume():
        while (box := published.get()) is None:
            pass
        box.value += 1

    together(produce, consume)


def concurrent_dict():
    table = ftlocks.ConcurrentDict()

    def work():
        box = table.get_or_create("x", Box)
        return box.value, box.items

    together(work, work, work)


def single_flight_cache():
    cache = ftlocks.SingleFlightCache(4)

    def work():
        return cache.get("x", lambda _: Box()).value

    together(work, work)


def event_loop():
    box = Box()

    def work():
        box.value += 1
        return box.value

    async def main():
        box.value = 1
        await asyncio.to_thread(work)
        box.value += 1
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, work)
        done = asyncio.Event()

        def tell():
            box.value += 1
            loop.call_soon_threadsafe(done.set)

        box.value += 1
        thread = threading.Thread(target=tell)
        thread.start()
        await done.wait()
        box.value += 1
        thread.join()

    asyncio.run(main())


def thread_local():
    local = threading.local()

    def work():
        local.value = 1
        local.value += 1

    together(work, work)


class Locked:
    """A property that locks inside."""

    def __init__(self):
        self._lock = threading.Lock()
        self._value = 0

    @property
    def value(self):
        with self._lock:
            return self._value

    @value.setter
    def value(self, value):
        with self._lock:
            self._value = value


def property_with_a_lock():
    locked = Locked()

    def work():
        locked.value = locked.value + 1

    together(work, work)


class LockedDict(dict):
    """A subclass whose operations lock."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def __setitem__(self, key, value):
        with self.lock:
            super().__setitem__(key, value)

    def __iter__(self):
        with self.lock:
            return iter(list(super().keys()))


def locked_subclass():
    table = LockedDict()

    def work():
        table["x"] = 1
        return list(table)

    together(work, work)


def many_short_lists():
    # Addresses are used again, by other threads.
    def work():
        for number in range(200):
            item = [number]
            item.append(number)
            item[0] += 1
            {"a": item}.pop("a")

    together(work, work)


CASES = [
    start_and_join,
    is_alive_that_is_false,
    lock,
    rlock,
    condition,
    event,
    semaphore,
    barrier,
    fifo_queue,
    simple_queue,
    channel,
    queue_join,
    deque_of_objects,
    executor_results,
    executor_shutdown,
    future_callback,
    own_slots,
    atomic_steps,
    double_checked,
    double_checked_local,
    once,
    peek_once,
    locks_of_ftlocks,
    rwlock,
    keyed_lock,
    striped_lock,
    ftlocks_waiting,
    ftlocks_condition,
    atomic_reference,
    concurrent_dict,
    single_flight_cache,
    event_loop,
    thread_local,
    property_with_a_lock,
    locked_subclass,
    many_short_lists,
]
