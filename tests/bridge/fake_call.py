"""A call without a transport: what handlers are given in tests."""

from __future__ import annotations

import time
from collections.abc import Callable

from ftbridge.rpc.status import Metadata, RpcError, StatusCode


class FakeCall:
    """`ftbridge.rpc.method.Call`, ended by the test through `end`."""

    def __init__(self, *, metadata: Metadata = (), timeout: float | None = None) -> None:
        self.invocation_metadata = metadata
        self.peer = "ipv4:127.0.0.1:1"
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.initial_metadata: list[Metadata] = []
        self.trailing_metadata: Metadata = ()
        self.callbacks: list[Callable[[], None]] = []
        self.ended_with: StatusCode | None = None

    @property
    def cancelled(self) -> bool:
        return self.ended_with is not None

    def time_remaining(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def raise_if_cancelled(self) -> None:
        if self.ended_with is not None:
            raise RpcError(self.ended_with, "the call has ended")

    def add_done_callback(self, fn: Callable[[], None]) -> None:
        if self.cancelled:
            fn()
        else:
            self.callbacks.append(fn)

    def send_initial_metadata(self, metadata: Metadata) -> None:
        self.initial_metadata.append(metadata)

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        self.trailing_metadata = metadata

    def end(self, code: StatusCode = StatusCode.CANCELLED) -> None:
        """The caller has gone, or its deadline has passed."""
        self.ended_with = code
        callbacks, self.callbacks = self.callbacks, []
        for fn in callbacks:
            fn()
