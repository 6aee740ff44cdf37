"""SIGUSR1 writes every report that was asked for."""

import queue
import signal

from ftbridge.cli.report_signal import written_when_asked


def test_each_report_is_written_and_the_handler_put_back():
    before = signal.getsignal(signal.SIGUSR1)
    first: queue.SimpleQueue[str] = queue.SimpleQueue()
    second: queue.SimpleQueue[str] = queue.SimpleQueue()
    with (
        written_when_asked(lambda: first.put("locks"), "one"),
        written_when_asked(lambda: second.put("cpu"), "two"),
    ):
        for _ in range(2):
            signal.raise_signal(signal.SIGUSR1)
            assert first.get(timeout=20) == "locks"
            assert second.get(timeout=20) == "cpu"
    assert signal.getsignal(signal.SIGUSR1) is before
    assert first.empty()
    assert second.empty()
