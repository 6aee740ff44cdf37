"""The Elixir host's rules for names and metadata of tools.

A tool that is accepted here can be registered there. Imports nothing of ftbridge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SERVICE_NAME = "snakepit.bridge.BridgeService"
"""Of the protobuf service that hosts and workers both serve."""

MAX_NAME_BYTES = 64
"""The Elixir host's ``@max_tool_name_length``."""

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
"""The Elixir host's ``@tool_name_pattern``; always used with ``fullmatch``."""

MAX_METADATA_ENTRIES = 32
"""The Elixir host's ``@max_metadata_entries``."""

MAX_METADATA_BYTES = 4096
"""The Elixir host's ``@max_metadata_bytes``, of the metadata in the external term format."""

_TERM_OVERHEAD = 10
_MAP_OVERHEAD = 6
"""Of that format: one tag and four length bytes for each of an entry's two binaries; version,
tag and four length bytes for the map."""


class NameRuleError(ValueError):
    """A tool's name or metadata that the host would refuse."""


def utf8_size(text: str) -> int:
    """Bytes of the text in UTF-8; lone surrogates count as three each."""
    return len(text.encode("utf-8", "surrogatepass"))


def check_name(name: str) -> None:
    """Raise `NameRuleError` unless the host would take the tool's name."""
    if not name:
        raise NameRuleError("invalid_tool_name: the name is empty")
    size = utf8_size(name)
    if size > MAX_NAME_BYTES:
        raise NameRuleError(
            f"invalid_tool_name: {name[:MAX_NAME_BYTES]!r}... takes {size} bytes; "
            f"the limit is {MAX_NAME_BYTES}"
        )
    if not NAME_PATTERN.fullmatch(name):
        raise NameRuleError(
            f"invalid_tool_name: {name!r} must start with an ASCII letter or digit and go on "
            "with letters, digits, '_', '-' and '.'"
        )


def check_metadata(name: str, metadata: Mapping[str, str]) -> None:
    """Raise `NameRuleError` unless the host would take the metadata of the tool ``name``."""
    if len(metadata) > MAX_METADATA_ENTRIES:
        raise NameRuleError(
            f"invalid_metadata: tool {name!r} has {len(metadata)} entries; "
            f"the limit is {MAX_METADATA_ENTRIES}"
        )
    size = _MAP_OVERHEAD + sum(
        utf8_size(key) + utf8_size(value) + _TERM_OVERHEAD for key, value in metadata.items()
    )
    if size > MAX_METADATA_BYTES:
        raise NameRuleError(
            f"invalid_metadata: tool {name!r} has {size} bytes of it; "
            f"the limit is {MAX_METADATA_BYTES}"
        )
