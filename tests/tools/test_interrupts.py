"""Tests of ``tools.setup_lib.interrupts``, with real signals to this process."""

import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.tools.fake_machine import Machine
from tools.setup_lib import interrupts
from tools.setup_lib.errors import InterruptedSetup
from tools.setup_lib.interrupts import SIGNALS, deferred


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of this test run come back after each test."""
    before = [(number, signal.getsignal(number)) for number in SIGNALS]
    interrupts.install()
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises(number: signal.Signals) -> None:
    with pytest.raises(InterruptedSetup) as caught:
        signal.raise_signal(number)
    assert caught.value.signal_number == number


def test_a_deferred_signal_raises_at_the_end_of_the_outermost_block() -> None:
    reached = []

    def work() -> None:
        with deferred():
            with deferred():
                signal.raise_signal(signal.SIGTERM)
                reached.append("inner")
            reached.append("outer")
        reached.append("after")

    with pytest.raises(InterruptedSetup) as caught:
        work()
    assert reached == ["inner", "outer"]
    assert caught.value.signal_number == signal.SIGTERM
    # It was delivered once.
    with deferred():
        pass


def test_an_error_inside_is_not_hidden_by_the_signal() -> None:
    def work() -> None:
        with deferred():
            signal.raise_signal(signal.SIGTERM)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        work()
    # The signal is not lost either.
    with pytest.raises(InterruptedSetup), deferred():
        pass


class InterruptedStart(subprocess.Popen[bytes]):
    """A command at whose start a signal comes: it runs, and its number is not yet noted."""

    def __init__(self, argv: list[str], **options: Any) -> None:
        super().__init__(argv, **options)
        started.append(self)
        signal.raise_signal(signal.SIGTERM)


started: list[InterruptedStart] = []


def test_a_signal_while_a_command_starts_leaves_no_orphan(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.Popen", InterruptedStart)
    with pytest.raises(InterruptedSetup):
        machine.runner().run("x", ["sleep", "600"])
    assert started[-1].returncode == -signal.SIGTERM
