"""What a tool starts belongs to its request: threads, pools, tasks."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from ftbridge import (
    AdapterHost,
    BaseAdapter,
    SessionContext,
    ThreadSafeAdapter,
    current_session,
    tool,
)
from ftbridge.adapters import inherit
from ftbridge.adapters.context import CURRENT
from ftstress import run_parallel

WAIT_SECONDS = 20.0
PLAIN_START, PLAIN_SUBMIT = inherit._start, inherit._submit


class Starter(ThreadSafeAdapter):
    """Asks for its session on threads of all kinds."""

    __thread_safe__ = True

    def __init__(self):
        super().__init__()
        self.pool = ThreadPoolExecutor(1)  # outlives every request

    def teardown(self):
        self.pool.shutdown()

    def who(self):
        return self.session_context.session_id, current_session().session_id, self.session_id

    @tool
    def thread(self):
        found = []
        thread = threading.Thread(target=lambda: found.append(self.who()))
        thread.start()
        thread.join()
        return found

    @tool
    def grandchild(self):
        found = []

        def inner():
            thread = threading.Thread(target=lambda: found.append(self.who()))
            thread.start()
            thread.join()

        thread = threading.Thread(target=inner)
        thread.start()
        thread.join()
        return found

    @tool
    def subclass(self):
        adapter = self

        class Worker(threading.Thread):
            def run(self):
                self.found = adapter.who()

        worker = Worker()
        worker.start()
        worker.join()
        return [worker.found]

    @tool
    def own_run(self):
        """`run` set on the instance, as some libraries do."""
        found = []
        thread = threading.Thread()
        thread.run = lambda: found.append(self.who())
        thread.start()
        thread.join()
        return found

    @tool
    def timer(self):
        found = []
        timer = threading.Timer(0, lambda: found.append(self.who()))
        timer.start()
        timer.join()
        return found

    @tool
    def submit(self):
        return [self.pool.submit(self.who).result(WAIT_SECONDS)]

    @tool
    def mapped(self):
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda _: self.who(), range(4)))

    @tool
    async def tasks(self):
        async def ask():
            await asyncio.sleep(0)
            return self.who()

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask()) for _ in range(3)]
        return [task.result() for task in tasks]

    @tool
    async def to_thread(self):
        in_executor = asyncio.get_running_loop().run_in_executor(None, self.who)
        return [await asyncio.to_thread(self.who), await in_executor]

    @tool
    def own_loop(self):
        async def ask():
            return self.who()

        found = []
        thread = threading.Thread(target=lambda: found.append(asyncio.run(ask())))
        thread.start()
        thread.join()
        return found

    @tool(supports_streaming=True)
    def stream(self):
        for _ in range(2):
            yield self.thread()


@pytest.fixture
def host():
    host = AdapterHost(Starter)
    host.open()
    yield host
    host.close()


WAYS = [
    "thread",
    "grandchild",
    "subclass",
    "own_run",
    "timer",
    "submit",
    "mapped",
    "tasks",
    "to_thread",
    "own_loop",
]


@pytest.mark.parametrize("way", WAYS)
def test_two_requests_at_once_see_their_own_session_wherever_they_ask(host, way):
    def ask(session):
        return {who for _ in range(5) for who in host.call(way, {}, SessionContext(session))}

    assert run_parallel(lambda: ask("one"), lambda: ask("two")) == [
        {("one",) * 3},
        {("two",) * 3},
    ]


def test_a_stream_has_it_at_every_item(host):
    chunks = list(host.stream("stream", {}, SessionContext("s")))
    assert [chunk.data for chunk in chunks] == [[("s",) * 3]] * 2


def test_a_base_adapter_has_it_too():
    class PerRequest(BaseAdapter):
        __thread_safe__ = True

        @tool
        def ask(self):
            with ThreadPoolExecutor(1) as pool:
                submitted = pool.submit(lambda: (self.session_id, current_session().session_id))
                return submitted.result(WAIT_SECONDS)

    host = AdapterHost(PerRequest)
    host.open()
    assert host.call("ask", {}, SessionContext("s")) == ("s", "s")
    host.close()


def test_the_threads_of_a_pool_keep_no_request(host):
    host.call("submit", {}, SessionContext("first"))
    # Given from outside a request to the thread that the first request made.
    assert host._life._instance.pool.submit(CURRENT.get).result(WAIT_SECONDS) is None


@pytest.mark.parametrize("module", ["concurrent.futures.process", "multiprocessing.queues"])
def test_the_threads_behind_a_process_pool_keep_no_request(host, module):
    def target():
        found.append(CURRENT.get())

    target.__module__ = module
    found = []
    thread = threading.Thread(target=target)
    token = CURRENT.set(SessionContext("s"))
    try:
        thread.start()
    finally:
        CURRENT.reset(token)
    thread.join()
    assert found == [None]


def test_a_thread_lets_go_of_its_request_when_it_has_run(host):
    class Watched(SessionContext):
        __slots__ = ("__weakref__",)

    threads = []

    def remember(thread):
        threads.append(thread)
        PLAIN_START(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inherit, "_start", remember)
        context = Watched("s")
        gone = weakref.ref(context)
        host.call("subclass", {}, context)
    del context
    gc.collect()
    assert len(threads) == 1
    assert gone() is None
    assert "run" not in vars(threads[0])


def test_a_thread_that_cannot_start_is_left_as_it_was(host):
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    token = CURRENT.set(SessionContext("s"))
    try:
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
    finally:
        CURRENT.reset(token)
    assert "run" not in vars(thread)


def test_outside_a_request_nothing_is_copied(host):
    marker = CURRENT.get()
    found = []
    thread = threading.Thread(target=lambda: found.append(CURRENT.get()))
    thread.start()
    assert "run" not in vars(thread)
    thread.join()
    assert found == [marker] == [None]


def test_python_is_as_before_when_the_last_host_is_closed(monkeypatch):
    # Whatever hosts other tests have left open.
    monkeypatch.setattr(inherit, "_users", 0)
    monkeypatch.setattr(threading.Thread, "start", PLAIN_START)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", PLAIN_SUBMIT)
    first, second = AdapterHost(Starter), AdapterHost(Starter)
    first.open()
    second.open()
    first.close()
    assert second.call("submit", {}, SessionContext("s")) == [("s",) * 3]
    second.close()
    second.close()
    assert threading.Thread.start is PLAIN_START
    assert ThreadPoolExecutor.submit is PLAIN_SUBMIT


def test_without_it_the_session_would_be_missing(host, monkeypatch):
    """The control: the tests above see what this module does, and nothing else does it."""
    monkeypatch.setattr(threading.Thread, "start", PLAIN_START)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", PLAIN_SUBMIT)
    failures = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: failures.append(arguments))
    assert host.call("thread", {}, SessionContext("s")) == []
    assert failures[0].exc_type is AttributeError
    with pytest.raises(AttributeError):
        host.call("submit", {}, SessionContext("s"))
