"""What a server says about its tools, and the pieces of a stream: plain frozen data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ftbridge.wire import DecodeError, messages
from ftbridge.wire.tensors import (
    FORMAT_KEY,
    JSON_FORMAT_KEY,
    TENSOR_FORMAT,
    TensorError,
    from_json,
    from_raw,
    parse_layout,
)
from ftbridge.wire.values import decode_value

IDEMPOTENT_KEY: Final = "idempotent"
"""In a tool's metadata, with the value "true": calling it twice is as good as calling it once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteParameter:
    """A parameter of a tool.

    `type` is the name of the adapter guide's table; `default` means something only when
    `has_default`. `choices` are the values that are allowed, where the server lists them.
    """

    name: str
    type: str
    description: str
    required: bool
    has_default: bool
    default: object
    choices: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTool:
    """A tool that a server offers."""

    name: str
    description: str
    parameters: tuple[RemoteParameter, ...]
    supports_streaming: bool
    metadata: Mapping[str, str]

    @property
    def idempotent(self) -> bool:
        """Whether a call that may or may not have run can safely be made again."""
        return self.metadata.get(IDEMPOTENT_KEY, "").lower() == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One piece of a stream.

    `data` is the decoded value, None when there was none; `empty` tells that apart from a null.
    """

    data: object
    is_final: bool
    empty: bool
    metadata: Mapping[str, str]


def remote_tool(spec: messages.ToolSpec) -> RemoteTool:
    """A tool as it came over the wire. Raises `DecodeError` for a default that is not JSON."""
    return RemoteTool(
        name=spec.name,
        description=spec.description,
        parameters=tuple(map(_parameter, spec.parameters)),
        supports_streaming=spec.supports_streaming,
        metadata=MappingProxyType(dict(spec.metadata)),
    )


def _parameter(spec: messages.ParameterSpec) -> RemoteParameter:
    default = spec.default_value
    return RemoteParameter(
        name=spec.name,
        type=spec.type,
        description=spec.description,
        required=spec.required,
        has_default=default is not None,
        default=None if default is None else decode_value(default),
        choices=_choices(spec.validation_json),
    )


def _choices(validation: str) -> tuple[object, ...]:
    """What a parameter's validation allows; nothing where it says nothing, or nonsense."""
    try:
        rules = json.loads(validation) if validation else {}
    except (ValueError, RecursionError):
        return ()
    allowed = rules.get("enum") if isinstance(rules, dict) else None
    return tuple(allowed) if isinstance(allowed, list) else ()


def read_chunk(message: messages.ToolChunk) -> Chunk:
    """A chunk with its value: an array, what its JSON says, else the bytes themselves.

    Raises:
        DecodeError: the metadata announces an array, and the data is none.
    """
    return Chunk(
        data=_chunk_value(message.data, message.metadata),
        is_final=message.is_final,
        empty=not message.data,
        metadata=MappingProxyType(message.metadata),
    )


def _chunk_value(data: bytes, metadata: Mapping[str, str]) -> object:
    layout = metadata.get(FORMAT_KEY, "")
    try:
        if layout.partition(";")[0] == TENSOR_FORMAT:
            return from_raw(data, *parse_layout(layout))
        if not data:
            return None
        try:
            value: object = json.loads(data)
        except ValueError:
            return data
        except RecursionError:
            return data
        if metadata.get(JSON_FORMAT_KEY) == TENSOR_FORMAT and isinstance(value, dict):
            return from_json(value)
    except TensorError as error:
        raise DecodeError("ToolChunk", "data", 0, str(error)) from None
    return value
