from __future__ import annotations

from ftbridge.bridge.selection import MAX_PATTERNS, Selection
from ftbridge.wire import messages as m


def test_a_filter_replaces_both_lists_and_nothing_else():
    control = m.TelemetryControl(filter=m.TelemetryEventFilter(allow=["a.*"], deny=["a.b"]))
    before = Selection(enabled=False, threshold=5, sampled=("x",), allow=("old",), deny=("old",))
    after = before.after(control)
    assert after == Selection(False, 5, ("x",), ("a.*",), ("a.b",))
    assert before.allow == ("old",)


def test_deny_goes_before_allow():
    selection = Selection(allow=("a.*",), deny=("a.b",))
    assert [selection.wants(name, 1) for name in ("a.c", "a.b", "b")] == [True, False, False]


def test_switched_off_means_nothing_at_all():
    assert not Selection(enabled=False, allow=("a",)).wants("a", 1)


def test_sampling_only_what_the_patterns_match():
    update = m.TelemetrySamplingUpdate(sampling_rate=0.0, event_patterns=["a.*"])
    selection = Selection().after(m.TelemetryControl(sampling=update))
    assert [selection.wants(name, 1) for name in ("a.b", "b")] == [False, True]


def test_no_more_patterns_than_the_bound():
    many = [f"p{n}" for n in range(MAX_PATTERNS + 5)]
    control = m.TelemetryControl(filter=m.TelemetryEventFilter(allow=many, deny=many))
    after = Selection().after(control)
    assert (len(after.allow), len(after.deny)) == (MAX_PATTERNS, MAX_PATTERNS)


def test_an_empty_control_changes_nothing():
    selection = Selection(deny=("x",))
    assert selection.after(m.TelemetryControl()) is selection
