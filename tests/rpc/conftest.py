"""Servers of the transport's tests, stopped whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rpc.harness import Served
from rpc.harness import serve as start


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    opened: list[Served] = []

    def begin(**options: Any) -> Served:
        opened.append(start(**options))
        return opened[-1]

    yield begin
    for served in opened:
        served.close()
