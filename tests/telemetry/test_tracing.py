from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ftbridge import telemetry
from ftbridge.telemetry.events import set_tracer
from ftbridge.telemetry.tracing import CallTracer

ROOT = Path(__file__).resolve().parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "locks")])
    done = subprocess.run(
        [sys.executable, *command],
        env={**kept, "PYTHONPATH": paths, **variables},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def spans() -> dict[str, dict[str, Any]]:
    """By name, from a server that was called with and without a caller's trace."""
    done = run(str(Path(__file__).with_name("traced_server.py")))
    assert "GIL" not in done.stderr
    return {span["name"]: span for span in map(json.loads, done.stdout.splitlines())}


def test_a_tool_calls_span_is_under_its_callers(spans):
    work = spans["work"]
    assert (work["trace"], work["parent"], work["kind"]) == (TRACE, CALLER, "SERVER")
    assert work["attributes"]["session.id"] == "s"
    assert work["attributes"]["ftbridge.outcome"] == "ok"
    assert work["status"] == "UNSET"


def test_a_tools_own_span_is_under_the_calls(spans):
    inner = spans["inner"]
    assert (inner["trace"], inner["parent"]) == (TRACE, spans["work"]["id"])
    assert inner["attributes"] == {"rows": 3, "found": 1}


def test_a_failed_calls_span_says_so(spans):
    failed = spans["fail"]
    assert (failed["status"], failed["events"]) == ("ERROR", ["exception"])
    assert failed["attributes"]["error.type"] == "ValueError"


def test_a_streams_span_is_around_all_its_items_and_a_root_without_a_caller(spans):
    stream = spans["count"]
    assert stream["parent"] is None
    assert stream["trace"] != TRACE
    assert [spans[f"item {i}"]["parent"] for i in range(2)] == [stream["id"]] * 2


def test_the_sdk_is_set_up_from_its_variables():
    code = (
        "from ftbridge import telemetry as t; assert t.setup_tracing()\nwith t.span('seen'): pass"
    )
    done = run("-c", code, OTEL_TRACES_EXPORTER="console")
    assert '"name": "seen"' in done.stdout


def test_an_exporter_that_is_not_installed_is_named():
    code = "from ftbridge import telemetry as t; assert t.setup_tracing()"
    assert "'zipkin'" in run("-c", code, OTEL_TRACES_EXPORTER="zipkin").stderr


@pytest.mark.parametrize(
    "variables", [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}]
)
def test_nothing_is_imported_unless_it_is_wanted(variables):
    code = (
        "import sys; from ftbridge import telemetry as t; assert t.setup_tracing() is None\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    )
    run("-c", code, **variables)


def test_without_the_sdk_a_wish_for_traces_is_answered_with_the_way_to_it():
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from ftbridge import telemetry as t; assert t.setup_tracing() is None\n"
        "assert t.get_tracer() is None\n"
        "with t.otel_span('x', context_metadata=[(t.CORRELATION_HEADER, 'c')]):\n"
        "    assert t.get_correlation_id() == 'c'\n"
    )
    done = run("-c", code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert "pip install 'ftbridge[otel]'" in done.stderr


def test_otel_span_sets_the_callers_correlation_id():
    header = (telemetry.CORRELATION_HEADER, "cid-1")
    with telemetry.otel_span("x", context_metadata=[header]):
        assert telemetry.get_correlation_id() == "cid-1"
    assert telemetry.get_correlation_id() is None


def fail_under_two_spans() -> None:
    with telemetry.span("outer", {"path": Path("/x")}):
        with telemetry.span("inner"):
            pass
        raise KeyError("k")


def test_spans_nest_and_carry_what_was_added():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    set_tracer(CallTracer(provider.get_tracer("test")))
    try:
        with pytest.raises(KeyError):
            fail_under_two_spans()
    finally:
        set_tracer(None)
    inner, outer = exporter.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert dict(outer.attributes or {}) == {"path": "/x", "error.type": "KeyError"}
