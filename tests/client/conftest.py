"""A server for each test module of the client, and one of its own for tests that stop it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from client.served import MEETING, Served

from ftbridge.client import Client


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    served = Served()
    yield served
    served.stop()


@pytest.fixture
def served(shared: Served) -> Served:
    MEETING.reset()
    return shared


@pytest.fixture
def own() -> Iterator[Served]:
    """For tests that stop it."""
    MEETING.reset()
    served = Served()
    yield served
    served.stop()


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.address, timeout=20) as client:
        yield client
