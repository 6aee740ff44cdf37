"""A call's arguments, out of the two fields and the metadata in which a request carries them.

Everything here comes from the caller: each refusal names the parameter, and nothing is trusted
before it was checked against the bytes that came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ftbridge.wire.messages import ExecuteToolRequest
from ftbridge.wire.policy import WirePolicy
from ftbridge.wire.tensors import FORMAT_KEY, TENSOR_FORMAT, TensorError, from_raw, parse_layout
from ftbridge.wire.values import decode_value

PICKLE_FORMAT: Final = "pickle"
_FORMAT_OF: Final = FORMAT_KEY + ":"


class ParameterError(ValueError):
    """A parameter could not be read, before any tool was looked for."""


def read_arguments(request: ExecuteToolRequest, policy: WirePolicy) -> dict[str, object]:
    """The call's arguments by name; binary ones win over others of the same name.

    Raises:
        ParameterError: one cannot be read, or is refused.
    """
    arguments: dict[str, object] = {}
    for name, value in request.parameters.items():
        try:
            arguments[name] = decode_value(value)
        except ValueError as unreadable:
            raise ParameterError(f"parameter {name!r} cannot be read: {unreadable}") from None
    if request.binary_parameters:
        metadata = request.metadata
        for name, data in request.binary_parameters.items():
            arguments[name] = _binary(name, data, metadata, policy) if metadata else data
    return arguments


def _binary(name: str, data: bytes, metadata: Mapping[str, str], policy: WirePolicy) -> object:
    """What a binary parameter holds, by what the metadata says of it; unknown formats: bytes."""
    found = metadata.get(_FORMAT_OF + name)
    if found is None:
        return data
    if found == PICKLE_FORMAT:
        return _unpickled(name, data, policy)
    if found.partition(";")[0] != TENSOR_FORMAT:
        return data
    try:
        return from_raw(data, *parse_layout(found))
    except TensorError as wrong:
        raise ParameterError(f"binary parameter {name!r} is no tensor: {wrong}") from None


def _unpickled(name: str, data: bytes, policy: WirePolicy) -> object:
    if not policy.allow_pickle:
        raise ParameterError(
            f"binary parameter {name!r} is marked as {PICKLE_FORMAT}, which is refused: "
            "unpickling runs code of the sender's choice. Send plain bytes, without "
            f"{_FORMAT_OF + name!r} in the metadata, and decode them in the tool; or, where every "
            "caller may run any code, start the server with --allow-pickle"
        )
    import pickle

    try:
        return pickle.loads(data)
    except Exception as error:
        raise ParameterError(
            f"binary parameter {name!r} cannot be unpickled: {type(error).__name__}: {error}"
        ) from error
