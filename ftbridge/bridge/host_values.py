"""Arguments and results of host tools on the wire, and descriptions of the tools.

The Elixir host decodes every argument as JSON, whatever its type_url says, and its call message
has no place for raw bytes. So bytes go as ``{"raw_data_base64": TEXT}``, the form in which the
host itself hands bytes that are no JSON to Elixir code; `from_argument` turns it back.

Never imports the transport.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from ftbridge.adapters.host_access import HostToolDescription
from ftbridge.wire import messages
from ftbridge.wire.values import decode_value, encode_value

RAW_KEY: Final = "raw_data_base64"

_RAW: Final = frozenset((bytes, bytearray, memoryview))
_CONTAINERS: Final = frozenset((dict, list, tuple))
_MAX_DEPTH: Final = 200  # below the encoder's own bound, which then names what lies deeper


def to_argument(value: object) -> messages.Any:
    """One argument as a host takes it: JSON. Never fails for what the value holds."""
    return encode_value(_wrapped(value, set()))


def from_argument(value: messages.Any) -> object:
    """The value of one argument; ValueError when it is not JSON."""
    return _unwrapped(decode_value(value))


def _wrapped(value: Any, path: set[int]) -> Any:
    """The value with its bytes, at any depth of dicts and lists, in their form as JSON."""
    kind = type(value)
    if kind in _RAW:
        return {RAW_KEY: base64.b64encode(value).decode()}
    if kind not in _CONTAINERS or id(value) in path or len(path) >= _MAX_DEPTH:
        return value
    path.add(id(value))  # a cycle ends where it begins; the encoder says what becomes of it
    if kind is dict:
        wrapped: Any = {key: _wrapped(item, path) for key, item in value.copy().items()}
    else:
        wrapped = [_wrapped(item, path) for item in tuple(value)]
    path.discard(id(value))
    return wrapped


def _unwrapped(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return [_unwrapped(item) for item in value]
    if kind is not dict:
        return value
    if len(value) == 1 and isinstance(text := value.get(RAW_KEY), str):
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            pass  # somebody's map that happens to have this key
    return {key: _unwrapped(item) for key, item in value.items()}


def from_result(response: messages.ExecuteElixirToolResponse) -> object:
    """What a host tool returned: raw bytes where there are some, else the JSON's value.

    What is not JSON is the text itself: the host sends terms that JSON lacks as it prints them.
    """
    if response.binary_result:
        return response.binary_result
    if response.result is None:
        return None
    try:
        return decode_value(response.result)
    except ValueError:
        return response.result.value.decode("utf-8", "replace")


def description_of(spec: messages.ToolSpec) -> HostToolDescription:
    """A host tool's description as tools see it."""
    return {
        "name": spec.name,
        "description": spec.description,
        "parameters": {parameter.name: _parameter(parameter) for parameter in spec.parameters},
    }


def _parameter(spec: messages.ParameterSpec) -> dict[str, Any]:
    found: dict[str, Any] = {"type": spec.type or "any", "required": spec.required}
    if spec.description:
        found["description"] = spec.description
    if spec.default_value is not None:
        try:
            found["default"] = decode_value(spec.default_value)
        except ValueError:
            pass  # a default that cannot be read is not worth the whole list
    return found
