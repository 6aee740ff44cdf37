from __future__ import annotations

import logging
import threading

import pytest

from ftbridge import telemetry
from ftbridge.adapters.context import CURRENT, SessionContext


@pytest.fixture
def request_c1():
    token = CURRENT.set(SessionContext("s", {"correlation_id": "c1"}))
    yield
    CURRENT.reset(token)


def test_none_outside_a_request():
    assert telemetry.get_correlation_id() is None


@pytest.mark.usefixtures("request_c1")
def test_it_is_the_requests_until_another_is_set():
    assert telemetry.get_correlation_id() == "c1"
    token = telemetry.set_correlation_id("own")
    assert telemetry.get_correlation_id() == "own"
    telemetry.reset_correlation_id(token)
    assert telemetry.get_correlation_id() == "c1"
    telemetry.set_correlation_id("own")
    telemetry.reset_correlation_id()
    assert telemetry.get_correlation_id() == "c1"


def test_a_token_of_another_context_changes_nothing():
    tokens = []
    thread = threading.Thread(target=lambda: tokens.append(telemetry.set_correlation_id("other")))
    thread.start()
    thread.join()
    mine = telemetry.set_correlation_id("mine")
    telemetry.reset_correlation_id(tokens[0])
    assert telemetry.get_correlation_id() == "mine"
    telemetry.reset_correlation_id(mine)


def test_new_ids_have_the_hosts_form_and_differ():
    one, two = telemetry.new_correlation_id(), telemetry.new_correlation_id()
    assert one != two
    prefix, _, digits = one.partition("-")
    assert (prefix, len(digits)) == ("sp", 24)
    int(digits, 16)


@pytest.mark.usefixtures("request_c1")
def test_outgoing_metadata():
    header = telemetry.CORRELATION_HEADER
    assert telemetry.outgoing_metadata([("a", "b")]) == [("a", "b"), (header, "c1")]
    named = [(header.upper(), "kept")]
    assert telemetry.outgoing_metadata(named) == named


def test_outgoing_metadata_outside_a_request_has_a_new_id():
    [(name, value)] = telemetry.outgoing_metadata()
    assert name == telemetry.CORRELATION_HEADER
    assert value.startswith("sp-")


def record() -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, __file__, 1, "hello", (), None)


@pytest.mark.usefixtures("request_c1")
def test_the_filter_gives_records_the_id():
    line = record()
    assert telemetry.correlation_filter().filter(line)
    assert logging.Formatter("%(correlation_id)s %(message)s").format(line) == "c1 hello"


def test_the_filter_outside_a_request():
    line = record()
    assert telemetry.correlation_filter().filter(line)
    assert logging.Formatter("%(correlation_id)s").format(line) == "-"
