"""`ftstress.events`: who is told, and that nobody is when nobody listens."""

import pytest

from ftstress import events


class All(events.Sink):
    def __init__(self):
        self.heard = []

    def access(self, kind, target, field, site):
        self.heard.append("access")

    def send(self, channel, what):
        self.heard.append(what)


def test_nothing_is_called_without_a_sink():
    assert all(getattr(events.tell, name) is None for name in events._METHODS)


def test_a_sink_is_told_what_it_overrides_and_nothing_after_its_end():
    sink = All()
    events.subscribe(sink)
    events.tell.send(object(), "message")
    assert events.tell.receive is None
    events.unsubscribe(sink)

    assert sink.heard == ["message"]
    assert events.tell.send is None


def test_two_sinks_are_both_told():
    one, two = All(), All()
    events.subscribe(one)
    events.subscribe(two)
    events.tell.send(object(), "message")
    events.unsubscribe(one)
    events.tell.send(object(), "second")
    events.unsubscribe(two)

    assert one.heard == ["message"]
    assert two.heard == ["message", "second"]


def test_a_sink_cannot_be_subscribed_twice():
    sink = All()
    events.subscribe(sink)
    with pytest.raises(ValueError, match="subscribed already"):
        events.subscribe(sink)
    events.unsubscribe(sink)
