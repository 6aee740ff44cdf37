from __future__ import annotations

import math

import numpy
import pytest

from ftbridge.bridge.catalogue import (
    EVENT_NAMES,
    MEASUREMENT_KEYS,
    host_form,
    own_form,
    telemetry_value,
)
from ftbridge.telemetry import Event


@pytest.mark.parametrize("phase", ["start", "stop", "exception"])
def test_a_span_becomes_a_python_call(phase):
    event = Event(f"p.{phase}", {"duration": 5}, {"rows": 3}, operation="p", phase=phase)
    form = host_form(event)
    assert form is not None
    name, measurements, metadata = form
    assert name == f"python.call.{phase}"
    assert name in EVENT_NAMES
    assert measurements["duration"].int_value == 5
    assert metadata == {"rows": "3", "operation": "p"}


def test_a_name_of_ones_own_is_not_for_the_host():
    assert host_form(Event("model.inference", {"duration": 1}, {})) is None
    name, measurements, metadata = own_form(Event("model.inference", {"tokens": 7}, {1: None}))
    assert (name, metadata) == ("model.inference", {"1": "None"})
    assert measurements["tokens"].int_value == 7


def test_measurements_that_the_host_does_not_know_become_metadata():
    event = Event("python.call.stop", {"duration": 1, "tokens": 7, "kind": 2}, {"kind": "own"})
    form = host_form(event)
    assert form is not None
    assert set(form[1]) == {"duration"} <= MEASUREMENT_KEYS
    assert form[2] == {"tokens": "7", "kind": "own"}


@pytest.mark.parametrize(
    ("value", "field", "sent"),
    [
        (3, "int_value", 3),
        (True, "int_value", 1),
        (numpy.int32(4), "int_value", 4),
        (2.5, "float_value", 2.5),
        (numpy.float32(0.5), "float_value", 0.5),
        (math.inf, "float_value", math.inf),
        (1 << 63, "float_value", 2.0**63),
        (10**400, "string_value", str(10**400)),
        ("12", "string_value", "12"),
        (None, "string_value", "None"),
        ("\ud800", "string_value", "?"),
    ],
)
def test_values_on_the_wire(value, field, sent):
    assert getattr(telemetry_value(value), field) == sent


def test_a_value_that_cannot_say_what_it_is_fails_nothing():
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert telemetry_value(Mute()).string_value == "<Mute>"
