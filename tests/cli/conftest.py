"""A fake bridge behind the command line, and a runner for its commands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from tests.cli.fake_bridge import FakeBridge


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> FakeBridge:
    """What `ftbridge.client.sync.Channel` reaches in this test."""
    bridge = FakeBridge()
    monkeypatch.setattr("ftbridge.client.sync.Channel", bridge)
    return bridge


@pytest.fixture
def ftbridge(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line in this process."""
    from ftbridge.cli.main import cli

    monkeypatch.delenv("FTBRIDGE_ADDRESS", raising=False)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments))

    return run
