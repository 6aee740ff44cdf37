"""From the first signal to the end of the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest

SERVER = """
    import os, signal, sys, threading
    from ftbridge.cli import signals

    signals._CHECK_SECONDS = 0.01

    class Server:
        def __init__(self):
            self.ended = threading.Event()
            self.seen = False
        def check(self):  # the first one comes when the signals are handled
            if not self.seen:
                say("ready")
            self.seen = True
            return True
        def stop(self, grace=4.0):
            say(f"stop {grace:g}")
            if grace == 0 and CANCELS:
                self.ended.set()
            if grace: DRAIN
            say("stopped")

    def say(text):
        os.write(1, text.encode() + b"\\n")

    signals.serve_until_signal(Server(), grace=7)
    say("end")
"""


class Child:
    """The script in a process of its own, read line by line."""

    def __init__(self, *, drain: str, cancels: bool = True) -> None:
        code = textwrap.dedent(SERVER).replace("DRAIN", drain).replace("CANCELS", str(cancels))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def note(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline().strip()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def status(self) -> int:
        return self.process.wait(timeout=30)


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(**options: object) -> Child:
        child = Child(**options)  # type: ignore[arg-type]
        children.append(child)
        assert child.line() == "ready"
        return child

    yield start
    for child in children:
        child.process.kill()
        child.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains_and_ends_well(start: Callable[..., Child], number: int) -> None:
    child = start(drain="pass")
    child.signal(number)
    assert "finishing running calls, up to 7 s" in child.note()
    assert [child.line() for _ in range(3)] == ["stop 7", "stopped", "end"]
    assert child.status() == 0


def test_a_second_signal_cancels(start: Callable[..., Child]) -> None:
    child = start(drain="self.ended.wait()")
    child.signal(signal.SIGTERM)
    assert child.line() == "stop 7"
    child.signal(signal.SIGTERM)
    assert child.line() == "stop 0"
    assert "end" in {child.line() for _ in range(3)}
    assert child.status() == 0


def test_what_does_not_end_even_then_is_left_behind(start: Callable[..., Child]) -> None:
    child = start(drain="threading.Event().wait()", cancels=False)
    child.signal(signal.SIGTERM)
    assert child.line() == "stop 7"
    child.signal(signal.SIGINT)
    assert child.line() == "stop 0"
    child.signal(signal.SIGINT)  # the third: at once
    assert child.status() == 1
    assert child.process.stderr is not None
    assert "leaving it behind" in child.process.stderr.read()


def test_nohup_is_respected(start: Callable[..., Child], monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited by the child
    try:
        child = start(drain="pass")
    finally:
        signal.signal(signal.SIGHUP, before)
    child.signal(signal.SIGHUP)
    child.signal(signal.SIGTERM)
    assert "SIGTERM" in child.note()
    assert child.status() == 0
