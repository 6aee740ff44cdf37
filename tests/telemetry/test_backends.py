from __future__ import annotations

import io
import json
from collections.abc import Mapping

import pytest

from ftbridge import telemetry


@pytest.fixture(autouse=True)
def _no_backend_afterwards():
    yield
    telemetry.set_backend(None)


class Recorder(telemetry.TelemetryBackend):
    def __init__(self) -> None:
        self.got: list[tuple[str, Mapping[str, object], object, str | None]] = []
        self.closed = 0

    def emit(self, event, measurements, metadata=None, correlation_id=None) -> None:
        self.got.append((event, measurements, metadata, correlation_id))

    def close(self) -> None:
        self.closed += 1


def test_a_backend_gets_everything_until_another_takes_its_place():
    one, two = Recorder(), Recorder()
    telemetry.set_backend(one)
    assert telemetry.get_backend() is one
    assert telemetry.is_enabled()
    telemetry.emit("own.name", {"tokens": 3}, {"a": 1})
    telemetry.set_backend(two)
    telemetry.emit("python.call.stop", {}, correlation_id="c")
    telemetry.set_backend(None)
    telemetry.emit("nobody")
    assert not telemetry.is_enabled()
    assert one.got == [("own.name", {"tokens": 3}, {"a": 1}, None)]
    assert two.got == [("python.call.stop", {}, {}, "c")]
    assert (one.closed, two.closed) == (1, 1)


def test_setting_it_again_does_not_close_it():
    one = Recorder()
    telemetry.set_backend(one)
    telemetry.set_backend(one)
    telemetry.emit("once")
    assert (one.closed, len(one.got)) == (0, 1)


def test_stderr_lines_can_be_parsed():
    stream = io.StringIO()
    telemetry.set_backend(telemetry.StderrBackend(stream))
    telemetry.emit("a.b", {"count": 1}, {"path": object}, correlation_id="c")
    [line] = stream.getvalue().splitlines()
    prefix, _, content = line.partition(":")
    assert prefix == "TELEMETRY"
    assert json.loads(content) == {
        "event": "a.b",
        "measurements": {"count": 1},
        "metadata": {"path": "<class 'object'>"},
        "correlation_id": "c",
    }


def test_stderr_of_the_moment(capsys):
    telemetry.set_backend(telemetry.StderrBackend())
    telemetry.emit("a")
    assert capsys.readouterr().err.startswith("TELEMETRY:{")


def test_the_base_class_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="emit"):
        telemetry.TelemetryBackend().emit("a", {})
