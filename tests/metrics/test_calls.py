from __future__ import annotations

import threading

from ftbridge.metrics.calls import BUCKETS_SECONDS, UNKNOWN, CallMeter

MILLISECOND = 1_000_000


def test_counts_by_tool_and_outcome():
    meter = CallMeter(["add", "fail"])
    for tool, outcome in (("add", "ok"), ("add", "ok"), ("fail", "error")):
        meter.started(tool)
        meter.ended(tool, outcome, 2 * MILLISECOND)
    meter.started("add")
    figures = meter.figures()
    assert list(figures) == ["add", "fail"]
    assert figures["add"].outcomes == {"ok": 2}
    assert figures["add"].in_flight == 1
    assert figures["fail"].outcomes == {"error": 1}
    assert figures["add"].seconds == 0.004


def test_names_that_are_no_tools_share_one_series():
    meter = CallMeter(["add"])
    for n in range(100):
        meter.started(f"made-up-{n}")
        meter.ended(f"made-up-{n}", "invalid", 1)
    figures = meter.figures()
    assert list(figures) == [UNKNOWN]
    assert figures[UNKNOWN].outcomes == {"invalid": 100}


def test_a_duration_on_a_bound_belongs_below_it():
    meter = CallMeter(["t"])
    for bound in BUCKETS_SECONDS:
        meter.ended("t", "ok", round(bound * 1e9))
    meter.ended("t", "ok", round(BUCKETS_SECONDS[-1] * 1e9) + 1)
    assert list(meter.figures()["t"].buckets) == [1] * (len(BUCKETS_SECONDS) + 1)


def test_a_call_may_end_on_another_thread():
    meter = CallMeter(["t"])
    meter.started("t")
    thread = threading.Thread(target=meter.ended, args=("t", "ok", 1))
    thread.start()
    thread.join()
    assert meter.figures()["t"].in_flight == 0


def test_nothing_is_lost_by_many_threads_that_come_and_go_under_a_reader():
    meter = CallMeter(["a", "b"])
    meeting = threading.Barrier(5)
    seen: list[int] = []

    def work() -> None:
        meeting.wait(10)
        for n in range(1000):
            tool = "ab"[n % 2]
            meter.started(tool)
            meter.ended(tool, "ok", MILLISECOND)

    def read() -> None:
        meeting.wait(10)
        while any(thread.is_alive() for thread in threads):
            seen.append(sum(sum(f.outcomes.values()) for f in meter.figures().values()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    reader = threading.Thread(target=read)
    for thread in (*threads, reader):
        thread.start()
    for thread in (*threads, reader):
        thread.join()
    assert seen == sorted(seen), "a counter fell"
    figures = meter.figures()
    assert [figures[tool].outcomes for tool in "ab"] == [{"ok": 2000}] * 2
    assert [sum(figures[tool].buckets) for tool in "ab"] == [2000] * 2
    assert meter.figures() == figures  # what ended threads counted stays, and once
