"""Tests of ``tools.setup_lib.console``, with a clock of the test's own."""

import io

from tools.setup_lib.console import PLAIN_INTERVAL_SECONDS, Console, format_elapsed


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_elapsed() -> None:
    assert [format_elapsed(seconds) for seconds in (0, 59.9, 60, 754)] == [
        "0:00",
        "0:59",
        "1:00",
        "12:34",
    ]


def test_without_a_terminal_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    console = Console(stream, clock=clock)
    with console.step("building") as step:
        for _ in range(10):
            clock.now += PLAIN_INTERVAL_SECONDS / 4
            step.tick("x.o")
    assert stream.getvalue().splitlines() == [
        "set-up: building",
        "set-up: building ... 0:30",
        "set-up: building ... 1:00",
        "set-up: building: done in 1:15",
    ]


def test_on_a_terminal_the_line_is_redrawn_and_then_replaced() -> None:
    stream, clock = Terminal(), Clock()
    console = Console(stream, clock=clock)
    with console.step("building") as step:
        clock.now += 7
        step.tick("x.o")
    text = stream.getvalue()
    assert "building ... 0:07  x.o" in text
    assert text.endswith("\r\x1b[Kset-up: building: done in 0:07\n")
    assert text.count("\n") == 1


def test_a_failed_step_is_not_called_done() -> None:
    stream = io.StringIO()
    console = Console(stream, clock=Clock())
    try:
        with console.step("building"):
            raise RuntimeError
    except RuntimeError:
        pass
    assert stream.getvalue() == "set-up: building\n"
