"""Which tools exist: the adapter's for every session, and those registered for one session.

The adapter's tools are known when the server starts and never change, so their specs are built
once and shared by all answers. Registered ones (``RegisterTools``) belong to their session and
live in it, so that nothing has to be cleaned up when it ends.

Never imports the transport.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from ftbridge.wire import messages
from ftbridge.wire.values import encode_json, encode_value

from .naming import check_metadata, check_name

if TYPE_CHECKING:
    from ftbridge.adapters.tools import ParameterInfo, ToolInfo

    from .sessions import Session

MAX_TOOLS_PER_SESSION = 1024
"""Registered tools of one session. The host has no bound; a worker registers tens."""


_REQUIRED = object()
"""In the place of a default: there is none, not even None."""


class RegistrationError(ValueError):
    """The registrations were refused; none of them took place."""


class DuplicateToolError(RegistrationError):
    """The name is taken, in the session, by the adapter, or twice in the batch."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(f"duplicate_tool: {name!r} is already registered {holder}")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredTool:
    """A tool that a worker registered for a session.

    Args:
        spec: its description; shared, must not be changed.
        worker_id: the worker that said it runs the tool.
    """

    spec: messages.ToolSpec
    worker_id: str


class ToolRegistry:
    """The tools a session can see.

    Reading takes no lock. ``register()`` is atomic and linearizable: a reader sees the whole
    batch or nothing of it, and whatever the registering thread did before happens before a read
    that sees the batch (the session's mapping is replaced by one store).

    Args:
        tools: the adapter's tools by name.
    """

    def __init__(self, tools: Mapping[str, ToolInfo]) -> None:
        for name, info in tools.items():
            check_name(name)
            check_metadata(name, info.metadata)
        self._lock = threading.Lock()
        self._specs: Mapping[str, messages.ToolSpec] = MappingProxyType(
            {name: tool_spec(info) for name, info in tools.items()}
        )

    @property
    def adapter_specs(self) -> Mapping[str, messages.ToolSpec]:
        """Specs of the adapter's tools by name; shared, must not be changed."""
        return self._specs

    def specs(self, session: Session | None) -> dict[str, messages.ToolSpec]:
        """Everything the session can see, the adapter's tools first."""
        found = dict(self._specs)
        if session is not None:
            for name, tool in session.tools.items():
                found[name] = tool.spec
        return found

    def count(self, session: Session) -> int:
        """How many tools the session can see."""
        return len(self._specs) + len(session.tools)

    def register(
        self,
        session: Session,
        registrations: Sequence[messages.ToolRegistration],
        worker_id: str,
    ) -> dict[str, str]:
        """Register a batch for the session, all or nothing.

        Returns:
            Tool name to identifier, ``SESSION:NAME`` as the host forms it.

        Raises:
            DuplicateToolError: a name is taken.
                RegistrationError: there are too many.
            NameRuleError: a name or metadata breaks the host's rules.
        """
        batch: dict[str, RegisteredTool] = {}
        for registration in registrations:
            # The host trims names before it looks at them.
            name = registration.name.strip()
            check_name(name)
            check_metadata(name, registration.metadata)
            if name in batch:
                raise DuplicateToolError(name, "in the same batch")
            if name in self._specs:
                raise DuplicateToolError(name, "by the adapter that is served here")
            batch[name] = RegisteredTool(
                spec=messages.ToolSpec(
                    name=name,
                    description=registration.description,
                    parameters=registration.parameters,
                    metadata=registration.metadata,
                    supports_streaming=registration.supports_streaming,
                ),
                worker_id=worker_id,
            )
        with self._lock:
            present = session.tools
            for name in batch:
                if name in present:
                    raise DuplicateToolError(name, f"in session {session.session_id!r}")
            if len(present) + len(batch) > MAX_TOOLS_PER_SESSION:
                raise RegistrationError(
                    f"session {session.session_id!r} would have {len(present) + len(batch)} "
                    f"registered tools; the limit is {MAX_TOOLS_PER_SESSION}"
                )
            session.tools = MappingProxyType({**present, **batch})
        return {name: f"{session.session_id}:{name}" for name in batch}


def tool_spec(info: ToolInfo) -> messages.ToolSpec:
    """The wire form of a tool's description."""
    metadata = dict(info.metadata)
    if info.required_variables:
        metadata.setdefault("required_variables", ",".join(info.required_variables))
    return messages.ToolSpec(
        name=info.name,
        description=info.description,
        parameters=parameter_specs(info.parameters),
        metadata=metadata,
        supports_streaming=info.supports_streaming,
    )


def parameter_specs(parameters: Iterable[ParameterInfo]) -> list[messages.ParameterSpec]:
    """The wire form of a tool's parameters, in the order of its signature."""
    return [
        _parameter_spec(
            parameter.name,
            parameter.type,
            parameter.description,
            _REQUIRED if parameter.required else parameter.default,
            parameter.choices,
        )
        for parameter in parameters
    ]


def _parameter_spec(
    name: str, kind: str, description: str, default: object, choices: Sequence[object]
) -> messages.ParameterSpec:
    # Stock workers publish the default inside validation_json, the host in default_value: callers
    # of either find it.
    validation: dict[str, object] = {}
    if default is not _REQUIRED:
        validation["default"] = default
    if choices:
        validation["enum"] = list(choices)
    return messages.ParameterSpec(
        name=name,
        type=kind,
        description=description,
        required=default is _REQUIRED,
        default_value=None if default is _REQUIRED else encode_value(default),
        validation_json=encode_json(validation).decode() if validation else "",
    )
