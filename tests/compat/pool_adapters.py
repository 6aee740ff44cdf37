"""Adapters as pools have them, imports and all."""

import ctypes
import gc
import os
import sys
import threading
import time

from snakepit_bridge.base_adapter import BaseAdapter, tool
from snakepit_bridge.base_adapter_threaded import ThreadSafeAdapter, thread_safe_method


class PlainAdapter(BaseAdapter):
    """Declares nothing, as the guide's adapters do not."""

    @tool(description="Wait")
    def nap(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds


class PoolAdapter(ThreadSafeAdapter):
    __thread_safe__ = True

    def __init__(self):
        super().__init__()
        self.model = bytes(1000)

    @thread_safe_method
    @tool(description="Wait")
    def nap(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    @tool(description="Say that it runs, then wait")
    def nap_loudly(self, fifo: str, seconds: float) -> float:
        with open(fifo, "w") as listener:  # noqa: PTH123
            listener.write("running")
        return self.nap(seconds)

    @tool(description="Say that it runs, then wait to be let go")
    def hold(self, running: str, go: str) -> None:
        with open(running, "w") as listener:  # noqa: PTH123
            listener.write("running")
        with open(go) as release:  # noqa: PTH123
            release.read()

    @tool(description="Which process this is")
    def process_id(self) -> int:
        return os.getpid()

    @tool(description="One value of the configuration")
    def configured(self, name: str) -> object:
        return self.config[name]

    @tool(description="Fail")
    def fail(self, text: str) -> str:
        raise ValueError(text)

    @tool(description="Call a tool of the host")
    def ask_host(self, name: str, arguments: dict) -> object:
        if name not in self.session_context.elixir_tools:
            raise ValueError(f"Tool '{name}' not found")
        return self.session_context.call_elixir_tool(name, input=arguments)

    @tool(description="Return what came")
    def echo(self, value) -> object:
        return value

    @tool(description="Count", supports_streaming=True)
    def count(self, to: int, pause: float = 0.0):
        for number in range(to):
            time.sleep(pause)
            yield {"data": {"number": number}, "is_final": number == to - 1}

    @tool(description="Stop every reactor, as a defect of ours would")
    def stop_reactors(self) -> None:
        from ftbridge.rpc.reactor import Reactor

        for found in gc.get_objects():
            if isinstance(found, Reactor):
                found.call_soon(time.sleep, 60.0)
        time.sleep(60.0)  # or the answer might leave before the reactor has stopped

    @tool(description="Hold the interpreter, as a C extension that never lets go of it would")
    def hold_interpreter(self) -> None:
        # A thread that is in C and attached: whoever wants to stop the world waits for it, and
        # everybody waits for whoever wants that.
        threading.Thread(target=ctypes.PyDLL(None).sleep, args=(60,), daemon=True).start()
        gc.collect()

    @tool(description="End the process")
    def crash(self, status: int) -> None:
        sys.stderr.flush()
        os._exit(status)
