"""One piece of a tool's stream, and the forms in which tools may yield it.

Must never import the wire: how a chunk's data becomes bytes is the bridge's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# A dict with these keys and no other is a chunk spelt as a dict, as the adapter guide writes it.
_CHUNK_KEYS: Final = frozenset({"data", "is_final", "metadata"})


@dataclass(slots=True)
class StreamChunk:
    """What a streaming tool yields.

    `data` is any value that a tool may return; `is_final` marks the last chunk (marking none is
    fine: the stream then ends with an empty final chunk); `metadata` travels beside the data.
    """

    data: object = None
    is_final: bool = False
    metadata: Mapping[str, str] | None = None


def to_chunk(item: object) -> StreamChunk:
    """Give a yielded item the form of a chunk.

    A `StreamChunk` passes unchanged; a dict of `data` and `is_final` (and `metadata`), and any
    object with attributes `data` and `is_final`, are read as chunks; all else is a chunk's data.
    """
    if item.__class__ is StreamChunk:
        return item
    if isinstance(item, dict):
        if "data" in item and "is_final" in item and item.keys() <= _CHUNK_KEYS:
            return StreamChunk(item["data"], bool(item["is_final"]), item.get("metadata"))
        return StreamChunk(item)
    if hasattr(item, "data") and hasattr(item, "is_final"):
        return StreamChunk(item.data, bool(item.is_final), getattr(item, "metadata", None))
    return StreamChunk(item)
