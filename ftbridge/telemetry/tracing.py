"""OpenTelemetry, where its SDK is installed: spans of tool calls, and `telemetry.span` under them.

The SDK comes with the extra ``ftbridge[otel]``. Where and how spans are exported is the business
of the standard variables (``OTEL_TRACES_EXPORTER``, ``OTEL_EXPORTER_OTLP_ENDPOINT``,
``OTEL_SERVICE_NAME``, ``OTEL_PROPAGATORS``, ...) or of an adapter that sets a tracer provider of
its own. The parent of a call's span comes with the call (W3C Trace Context: ``traceparent``).

Nothing of OpenTelemetry is imported unless `setup_tracing` finds it asked for. A span without its
exporter's help costs some 50 us; without tracing a call pays one look at a None.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextvars import Token
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

from .correlation import (
    CORRELATION_HEADER,
    get_correlation_id,
    reset_correlation_id,
    set_correlation_id,
)
from .events import set_tracer

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer as OtelTracer

_log = logging.getLogger("ftbridge.telemetry")

SCOPE: Final = "ftbridge"
"""Name of the instrumentation scope of our spans."""

_WISHES: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
"""Variables that say that somebody wants traces. The last two name a place, the first a kind."""

_OTLP: Final = "otlp"


class CallTracer:
    """Spans on one OpenTelemetry tracer. Safe to use from any thread.

    Raises:
        ImportError: there is no OpenTelemetry.
    """

    def __init__(self, tracer: OtelTracer | None = None) -> None:
        from opentelemetry import context, propagate, trace

        self._context = context
        self._extract = propagate.extract
        self._trace = trace
        self._tracer = tracer or trace.get_tracer(SCOPE)

    def begin(
        self, operation: str, metadata: Mapping[str, object], parent: Context | None = None
    ) -> tuple[OtelSpan, Token[Context]]:
        """Open a span under ``parent``, or the current one, and make it the current one."""
        span = self._tracer.start_span(operation, context=parent, attributes=_attributes(metadata))
        return span, self._context.attach(self._trace.set_span_in_context(span, parent))

    def end(
        self, span: object, metadata: Mapping[str, object], error: BaseException | None
    ) -> None:
        """Close what `begin` opened, with what has been added to its metadata."""
        opened, token = cast("tuple[OtelSpan, Token[Context]]", span)  # as `begin` made it
        opened.set_attributes(_attributes(metadata))
        self._close(opened, error)
        self._context.detach(token)

    def begin_call(
        self,
        tool: str,
        call_metadata: Iterable[tuple[str, str | bytes]],
        attributes: Mapping[str, str],
    ) -> tuple[OtelSpan, Context]:
        """Open a tool call's span under its caller's; it is current in the context returned."""
        parent = self.parent(call_metadata)
        span = self._tracer.start_span(
            tool,
            context=parent,
            kind=self._trace.SpanKind.SERVER,
            attributes={"rpc.system.name": "grpc", **attributes},
        )
        return span, self._trace.set_span_in_context(span, parent)

    def end_call(self, span: OtelSpan, error: BaseException | None) -> None:
        """Close a tool call's span, from any thread."""
        self._close(span, error)

    def attach(self, context: Context) -> Token[Context]:
        """Make a call's span the current one, for what runs in this context until `detach`."""
        return self._context.attach(context)

    def detach(self, token: Token[Context]) -> None:
        """Undo `attach`, in the same context."""
        self._context.detach(token)

    def parent(self, call_metadata: Iterable[tuple[str, str | bytes]]) -> Context:
        """The caller's trace, from call metadata; a root's when there is none."""
        carrier = {key: value for key, value in call_metadata if isinstance(value, str)}
        # From an empty context: what this thread traces otherwise is not the call's parent.
        return self._extract(carrier, context=self._context.Context())

    def _close(self, span: OtelSpan, error: BaseException | None) -> None:
        if error is not None:
            span.record_exception(error)
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(self._trace.StatusCode.ERROR, type(error).__name__)
        span.end()


def _attributes(metadata: Mapping[str, object]) -> dict[str, Any]:
    return {
        str(key): value if isinstance(value, str | bool | int | float) else str(value)
        for key, value in metadata.items()
    }


def setup_tracing() -> CallTracer | None:
    """Trace from now on, if OpenTelemetry is there and wanted; None if not. Safe to call again.

    Wanted is it when a tracer provider has been set already, or when the variables name an
    exporter: then the SDK is set up from its variables. ``OTEL_SDK_DISABLED=true`` wins.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    provided = "opentelemetry.trace" in sys.modules and _has_provider()
    if not provided:
        wished = [name for name in _WISHES if os.environ.get(name, "").strip() not in ("", "none")]
        if not wished:
            return None
        if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
            _log.warning(
                "%s is set, but the OpenTelemetry SDK is not installed: no traces are made. "
                "Install it with `pip install 'ftbridge[otel]'`",
                wished[0],
            )
            return None
        _configure()
    tracer = CallTracer()
    set_tracer(tracer)
    return tracer


def _has_provider() -> bool:
    from opentelemetry import trace

    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _configure() -> None:
    """Set a tracer provider up from the variables; resource, sampler and batches read theirs."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    os.environ.setdefault("OTEL_SERVICE_NAME", SCOPE)
    provider = TracerProvider()
    # With an endpoint alone it is clear what is meant.
    for name in os.environ.get("OTEL_TRACES_EXPORTER", "").split(","):
        exporter = _exporter(name.strip() or _OTLP)
        if exporter is not None:
            provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def _exporter(name: str) -> SpanExporter | None:
    """The exporter of this name, made; None, with a warning, if it cannot be had."""
    if name == _OTLP:
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
            "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
        )
        name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not found:
        _log.warning("no traces exporter %r is installed; ftbridge[otel] has otlp", name)
        return None
    try:
        return cast("SpanExporter", found[0].load()())
    except Exception:  # noqa: BLE001 - third-party code, and tracing must not stop a server
        _log.exception("the traces exporter %r cannot be set up", name)
        return None


def get_tracer(name: str = SCOPE) -> OtelTracer | None:
    """An OpenTelemetry tracer for spans of one's own; None when it is not installed."""
    if find_spec("opentelemetry") is None:
        return None
    from opentelemetry import trace

    return trace.get_tracer(name)


class otel_span:  # noqa: N801 - used like a function, and named like the incumbent's
    """A span whose parent and correlation id come with a call's metadata; a context manager.

    Without tracing it still sets the correlation id. Use `span` inside tools: the bridge has
    done this for the call already.

    Args:
        name: of the span.
        context_metadata: pairs of call metadata, possibly with ``traceparent`` and the
            correlation header.
        attributes: of the span.
    """

    __slots__ = ("_metadata", "_name", "_opened", "_pairs", "_token", "_tracer")

    def __init__(
        self,
        name: str,
        *,
        context_metadata: Sequence[tuple[str, str]] | None = None,
        attributes: Mapping[str, object] | None = None,
    ) -> None:
        self._name = name
        self._pairs = list(context_metadata or ())
        self._metadata = dict(attributes or {})
        self._opened: object = None
        self._token: Token[str | None] | None = None
        self._tracer: CallTracer | None = None

    def __enter__(self) -> Self:
        for key, value in self._pairs:
            if key.lower() == CORRELATION_HEADER:
                self._token = set_correlation_id(value)
                break
        tracer = self._tracer = setup_tracing()
        if tracer is not None:
            correlation = get_correlation_id()
            if correlation is not None:
                self._metadata.setdefault("correlation_id", correlation)
            parent = tracer.parent(self._pairs) if self._pairs else None
            self._opened = tracer.begin(self._name, self._metadata, parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._tracer is not None:
            self._tracer.end(self._opened, self._metadata, error)
        if self._token is not None:
            reset_correlation_id(self._token)
