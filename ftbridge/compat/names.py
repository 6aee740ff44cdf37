"""Snakepit's module names and what stands behind each: the table that `imports` works from.

A name is offered where ftbridge has the thing itself; where it has not, the entry says what to do
instead. Imports nothing of ftbridge: homes are named, and imported when an adapter asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PACKAGE: Final = "snakepit_bridge"

_BASE: Final = "ftbridge.adapters.base"
_CHUNKS: Final = "ftbridge.adapters.chunks"
_CONTEXT: Final = "ftbridge.adapters.context"
_DECORATORS: Final = "ftbridge.adapters.decorators"
_LOGS: Final = "ftbridge.compat.logs"
_SAFETY: Final = "ftbridge.adapters.safety"
_TELEMETRY: Final = "ftbridge.telemetry"
_THREADED: Final = "ftbridge.adapters.threaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module of the incumbent.

    Args:
        offered: name -> the module of ftbridge that defines it under the same name.
        refused: name of the incumbent's that has nothing behind it here -> the way out.
        mirrors: a module of ftbridge whose other public names are offered too.
        package: it has submodules.
        yields: the installed Snakepit's own file is used where there is one.
    """

    offered: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    mirrors: str = ""
    package: bool = False
    yields: bool = False


_HEARTBEAT: Final = (
    "the worker watches its host by itself; the host configures that through "
    "SNAKEPIT_HEARTBEAT_CONFIG, so leave the import out"
)
_ZERO_COPY: Final = (
    "it carries no buffer, only a reference that the host alone can make; return bytes or a numpy "
    "array, which travel as raw bytes"
)
_SERIALIZATION: Final = (
    "tools return plain values and ftbridge encodes them (docs/compatibility.md says how); to "
    "encode in your own code use ftbridge.wire.values"
)
_CHECKER: Final = (
    "declare __thread_safe__ = True on the class and test it with ftstress, which really runs "
    "threads against each other"
)
_STORAGE: Final = (
    "use self.get_thread_local() and self.set_thread_local(), or ftlocks.ThreadLocal outside an "
    "adapter"
)
_TRACKER: Final = "use self.track_request() and self.get_stats()"
_EXAMPLE: Final = "it was an example; ftbridge.examples.StdlibAdapter is one here"
_BACKENDS: Final = (
    "the worker sends what telemetry.span() and telemetry.emit() tell it to the host by itself"
)

_BASE_ADAPTER: Final[Mapping[str, str]] = {
    "BaseAdapter": _BASE,
    "StreamChunk": _CHUNKS,
    "ToolMetadata": _DECORATORS,
    "tool": _DECORATORS,
}
_THREADED_ADAPTER: Final[Mapping[str, str]] = {
    "StreamChunk": _CHUNKS,
    "ThreadSafeAdapter": _THREADED,
    "require_thread_safe": _SAFETY,
    "thread_safe_method": _DECORATORS,
    "tool": _DECORATORS,
    "validate_thread_safety": _SAFETY,
}

MODULES: Final[Mapping[str, Module]] = {
    PACKAGE: Module(
        # The last five are not exported by the incumbent, though its README imports them.
        offered={
            "SessionContext": _CONTEXT,
            "configure_logging": _LOGS,
            "get_logger": _LOGS,
            "BaseAdapter": _BASE,
            "StreamChunk": _CHUNKS,
            "ThreadSafeAdapter": _THREADED,
            "thread_safe_method": _DECORATORS,
            "tool": _DECORATORS,
        },
        refused={
            "HeartbeatClient": _HEARTBEAT,
            "HeartbeatConfig": _HEARTBEAT,
            "ZeroCopyRef": _ZERO_COPY,
        },
        package=True,
    ),
    f"{PACKAGE}.base_adapter": Module(offered=_BASE_ADAPTER),
    f"{PACKAGE}.base_adapter_threaded": Module(
        offered=_THREADED_ADAPTER,
        refused={
            "ThreadLocalStorage": _STORAGE,
            "RequestTracker": _TRACKER,
            "ExampleThreadSafeAdapter": _EXAMPLE,
        },
    ),
    f"{PACKAGE}.session_context": Module(offered={"SessionContext": _CONTEXT}),
    f"{PACKAGE}.telemetry": Module(
        mirrors=_TELEMETRY,
        refused={"TelemetryStream": _BACKENDS, "GrpcBackend": _BACKENDS},
    ),
    f"{PACKAGE}.logging_config": Module(
        offered={"configure_logging": _LOGS, "get_logger": _LOGS},
    ),
    f"{PACKAGE}.adapters": Module(package=True, yields=True),
    # What `mix snakepit.gen.adapter` writes; the incumbent has no such module.
    f"{PACKAGE}.adapters.base": Module(offered=_BASE_ADAPTER),
    f"{PACKAGE}.adapters.showcase": Module(
        package=True, yields=True, refused={"ShowcaseAdapter": _EXAMPLE}
    ),
    f"{PACKAGE}.adapters.showcase.tool": Module(
        offered={"StreamChunk": _CHUNKS},
        refused={"Tool": "declare the method with @tool instead"},
        yields=True,
    ),
    f"{PACKAGE}.adapters.threaded_showcase": Module(
        refused={"ThreadedShowcaseAdapter": _EXAMPLE}, yields=True
    ),
    f"{PACKAGE}.adapters.template": Module(
        refused={"TemplateAdapter": "derive from BaseAdapter"}, yields=True
    ),
    f"{PACKAGE}.heartbeat": Module(
        refused={"HeartbeatClient": _HEARTBEAT, "HeartbeatConfig": _HEARTBEAT}, yields=True
    ),
    f"{PACKAGE}.serialization": Module(
        refused=dict.fromkeys(
            (
                "TypeSerializer",
                "GracefulJSONEncoder",
                "UNSERIALIZABLE_KEY",
                "TYPE_KEY",
                "REPR_KEY",
                "BINARY_THRESHOLD",
            ),
            _SERIALIZATION,
        ),
        yields=True,
    ),
    f"{PACKAGE}.zero_copy": Module(refused={"ZeroCopyRef": _ZERO_COPY}, yields=True),
    f"{PACKAGE}.thread_safety_checker": Module(
        refused=dict.fromkeys(
            (
                "ThreadSafetyChecker",
                "enable_checking",
                "disable_checking",
                "get_global_checker",
                "check_thread_safe",
                "require_thread_safe_adapter",
                "validate_adapter_thread_safety",
                "check_common_pitfalls",
                "print_thread_safety_report",
            ),
            _CHECKER,
        ),
        yields=True,
    ),
}
