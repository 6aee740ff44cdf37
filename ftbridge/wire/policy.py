"""What may be chosen about how values travel: one frozen object, made when the server starts.

The environment is read once, by whoever starts a server; the encoders get the policy as an
argument and never look at the environment, so that a call costs the same whatever was set and two
servers in one process may differ.

Must never import the rest of the package: encoders, bridge and command line all use it.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self, cast, get_args

_log = logging.getLogger("ftbridge.wire")

type MarkerDetail = Literal["none", "type", "repr_truncated", "repr_redacted_truncated"]
MARKER_DETAILS: Final = cast("tuple[MarkerDetail, ...]", get_args(MarkerDetail.__value__))
"""How much a marker tells of the value that it stands for; see `WirePolicy.marker_detail`."""

DEFAULT_MARKER_LENGTH: Final = 500
MAX_MARKER_LENGTH: Final = 2000
"""Characters; both are the incumbent's."""

DEFAULT_MAX_LIST_ELEMENTS: Final = 1_000_000
"""The incumbent's. As JSON that many floats are about 20 MB."""

DEFAULT_TENSOR_BYTES: Final = 10_240
"""The incumbent's threshold. At this size JSON takes about 0.3 ms more than the raw bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WirePolicy:
    """How values are encoded and which are accepted. Immutable, shared by all threads.

    Args:
        marker_detail: what a marker says besides the type's name: "none": nothing; "type": a
            placeholder with the name; "repr_truncated": the beginning of the value's ``repr``,
            secrets included; "repr_redacted_truncated": the same with what looks like a secret
            replaced, as well as that can be told.
        marker_length: characters of that ``repr``, from 0 to `MAX_MARKER_LENGTH`.
        max_list_elements: an array with more elements is not spread into a list: it becomes a
            marker.
        tensor_bytes: an array with more bytes than that, returned or sent by itself, travels raw
            beside the JSON; smaller ones travel as JSON.
        snakepit: encode scalars as the incumbent's workers do where the two differ
            (docs/compatibility.md): integers as floats, None as the text "None", other scalars
            as their text.
        allow_pickle: unpickle binary parameters that are marked so. It runs code of the sender's
            choice.

    Raises:
        ValueError: a value outside its range.
    """

    marker_detail: MarkerDetail = "none"
    marker_length: int = DEFAULT_MARKER_LENGTH
    max_list_elements: int = DEFAULT_MAX_LIST_ELEMENTS
    tensor_bytes: int = DEFAULT_TENSOR_BYTES
    snakepit: bool = False
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        if self.marker_detail not in MARKER_DETAILS:
            raise ValueError(
                f"marker_detail={self.marker_detail!r} is none of {', '.join(MARKER_DETAILS)}"
            )
        if not 0 <= self.marker_length <= MAX_MARKER_LENGTH:
            raise ValueError(
                f"marker_length={self.marker_length} is not between 0 and {MAX_MARKER_LENGTH}"
            )
        for name in ("max_list_elements", "tensor_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} is negative")

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] = os.environ,
        *,
        snakepit: bool = False,
        allow_pickle: bool = False,
    ) -> Self:
        """The policy that the environment asks for.

        FTBRIDGE_MARKER_DETAIL, FTBRIDGE_MARKER_LENGTH and FTBRIDGE_MAX_LIST_ELEMENTS; where one is
        not set, the incumbent's SNAKEPIT_UNSERIALIZABLE_DETAIL, SNAKEPIT_UNSERIALIZABLE_REPR_MAXLEN
        and SNAKEPIT_TOLIST_MAX_ELEMENTS. As there, a value that cannot be used never stops a
        worker: a length out of range is moved into it, anything else gives the default and a
        line in the log.
        """
        detail = _first(environ, "FTBRIDGE_MARKER_DETAIL", "SNAKEPIT_UNSERIALIZABLE_DETAIL")
        name = detail[1].strip().lower()
        if name not in MARKER_DETAILS:
            if name:
                _log.warning("%s=%r is none of %s: none is used", *detail, MARKER_DETAILS)
            name = "none"
        length = _number(
            _first(environ, "FTBRIDGE_MARKER_LENGTH", "SNAKEPIT_UNSERIALIZABLE_REPR_MAXLEN"),
            DEFAULT_MARKER_LENGTH,
        )
        elements = _number(
            _first(environ, "FTBRIDGE_MAX_LIST_ELEMENTS", "SNAKEPIT_TOLIST_MAX_ELEMENTS"),
            DEFAULT_MAX_LIST_ELEMENTS,
        )
        return cls(
            marker_detail=cast("MarkerDetail", name),
            marker_length=min(max(length, 0), MAX_MARKER_LENGTH),
            max_list_elements=max(elements, 0),
            snakepit=snakepit,
            allow_pickle=allow_pickle,
        )


DEFAULT_POLICY: Final = WirePolicy()


def _first(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    """The first of the variables that is set, and its value."""
    for name in names:
        if value := environ.get(name):
            return name, value
    return names[0], ""


def _number(variable: tuple[str, str], default: int) -> int:
    name, text = variable
    if not text:
        return default
    try:
        return int(text)
    except ValueError:
        _log.warning("%s=%r is not an integer: %d is used", name, text, default)
        return default
