"""The Chrome trace."""

import json

import pytest
from locks.profiler.contention import contended

from ftlocks.profiler.trace import chrome_trace


def test_each_thread_has_a_track_and_an_arrow_leads_from_holder_to_waiter():
    report, _ = contended()
    events = json.loads(chrome_trace(report))["traceEvents"]

    tracks = {
        event["args"]["name"]: event["tid"] for event in events if event["name"] == "thread_name"
    }
    slices = [event for event in events if event["ph"] == "X"]
    wait = next(event for event in slices if event["cat"] == "wait")
    assert (wait["name"], wait["tid"]) == ("waits for hot", tracks["late"])
    assert {event["tid"] for event in slices if event["cat"] == "hold"} == set(tracks.values())
    (start,) = [event for event in events if event["ph"] == "s"]
    (end,) = [event for event in events if event["ph"] == "f"]
    assert start["id"] == end["id"]
    assert (start["tid"], end["tid"]) == (tracks["MainThread"], tracks["late"])
    assert wait["ts"] < start["ts"] <= end["ts"]
    assert end["ts"] == pytest.approx(wait["ts"] + wait["dur"], abs=0.01)  # us
    # The arrow leaves from inside or the end of a slice of the holder.
    assert any(
        each["tid"] == start["tid"] and each["ts"] <= start["ts"] <= each["ts"] + each["dur"] + 1
        for each in slices
    )
