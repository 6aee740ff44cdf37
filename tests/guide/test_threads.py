"""Thread-safe adapters: one shared model, thread-local caches, the lock around shared state."""

from guide.harness import block, served

from ftstress import run_parallel

IMPORTS = """import threading

from snakepit_bridge.base_adapter import tool
"""

MODEL = """
LOADED = []


class Model:
    def __init__(self):
        self.predictions = 0
        self.meeting = threading.Barrier(2)

    def predict(self, text):
        if text.startswith("together"):
            self.meeting.wait(20)  # breaks unless two calls are inside the one model at once
        self.predictions += text.startswith("counted")
        return {"text": text}


def load_model(name):
    LOADED.append(name)
    return Model()
"""

INSPECT = """
    @tool
    def inspect(self):
        return {
            "loaded": LOADED,
            "log": len(self.request_log),
            "asked": self.model.predictions,
            "threads": self.get_stats()["threads_seen"],
        }
"""


def concurrent(folder, **options):
    parts = (
        IMPORTS,
        MODEL,
        block("thread_safe_adapter.py"),
        "\nclass Served(ConcurrentMLAdapter):\n" + block("thread_safe_method.py", 4) + INSPECT,
    )
    return served(folder, "Served", *parts, config={"model_name": "shared-model"}, **options)


def test_one_model_serves_calls_that_are_inside_it_at_once(tmp_path):
    with concurrent(tmp_path) as (client, host):
        assert host.lifetime == "process"
        answers = run_parallel(
            lambda: client.call("predict", input_data="together 1"),
            lambda: client.call("predict", input_data="together 2"),
        )
        assert answers == [{"text": "together 1"}, {"text": "together 2"}]
        found = client.call("inspect")
    assert (found["loaded"], found["log"]) == (["shared-model"], 2)


def test_each_thread_has_a_cache_of_its_own_and_the_log_is_common(tmp_path):
    """An input is predicted once by each thread that gets it, and no more."""
    with concurrent(tmp_path) as (client, _):

        def work():
            for _ in range(30):
                client.call("predict", input_data="counted")

        run_parallel(work, work)
        found = client.call("inspect")
    assert 1 <= found["log"] <= found["threads"] < 60
    assert found["asked"] == found["log"]


def test_thread_local_storage(tmp_path):
    adapter = """from snakepit_bridge.base_adapter_threaded import ThreadSafeAdapter, tool


class Fragment(ThreadSafeAdapter):
    __thread_safe__ = True

    def set_thread_local(self, key, value):
        super().set_thread_local(key, value)
        self.look()

    def clear_thread_local(self, key=None):
        super().clear_thread_local(key)
        self.look()
        super().set_thread_local("other", 1)

    def look(self):
        names = ("my_cache", "other")
        self.seen.append([self.get_thread_local(name) for name in names])

    @tool
    def use(self):
        self.seen = []
        updated = {"hits": 1}
"""
    parts = (adapter, block("thread_local_storage.py", 8), "        return cache, self.seen\n")
    with served(tmp_path, "Fragment", *parts) as (client, _):
        cache, seen = client.call("use")
    assert cache == {}
    assert seen == [[{"hits": 1}, None], [None, None], [None, None]]


def test_acquire_lock_for_shared_state(tmp_path):
    adapter = """from snakepit_bridge.base_adapter_threaded import ThreadSafeAdapter, tool


class Fragment(ThreadSafeAdapter):
    __thread_safe__ = True

    def __init__(self):
        super().__init__()
        self.shared_counter = 0
        self.shared_list = []

    @tool
    def append(self, item: int):
        for _ in range(200):
"""
    look = """
    @tool
    def look(self):
        return self.shared_counter, len(self.shared_list)
"""
    with served(tmp_path, "Fragment", adapter, block("acquire_lock.py", 12), look) as (client, _):

        def work():
            for n in range(5):
                client.call("append", item=n)

        run_parallel(work, work, work)
        assert client.call("look") == [3000, 3000]
