"""An adapter that holds a model, for `memory_bench` and `pool_bench`."""

import os
import time
from typing import ClassVar

from ftbridge import ThreadSafeAdapter, tool

MODEL_VARIABLE = "FTBRIDGE_BENCH_MODEL_MIB"


class ModelAdapter(ThreadSafeAdapter):
    """A model of as many MiB as the environment says, every page of it in memory."""

    __thread_safe__: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        # Not zeros: pages of those would only be promised by the kernel.
        self.model = b"\x01" * (int(os.environ.get(MODEL_VARIABLE, "0")) << 20)

    @tool
    def process_id(self) -> dict[str, int]:
        """Which process answers."""
        return {"pid": os.getpid(), "model": len(self.model)}

    @tool
    def wait(self, seconds: float) -> dict[str, float]:
        """A tool that waits, as for a device or a database."""
        time.sleep(seconds)
        return {"seconds": seconds}
