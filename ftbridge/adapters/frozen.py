"""A configuration that nobody can change, however deep it is.

All threads read it without a lock, so nothing in it may ever be written. Must never copy what
cannot be changed anyway.
"""

from collections.abc import Mapping
from types import MappingProxyType


def freeze(value: object) -> object:
    """The same data with read-only mappings for dicts, tuples for lists, frozensets for sets.

    A copy: what the caller does to its own data afterwards is not seen. Other objects are taken
    as they are.
    """
    if isinstance(value, Mapping):
        return frozen_mapping(value)
    if isinstance(value, list | tuple):
        return tuple([freeze(item) for item in value])
    if isinstance(value, set | frozenset):
        return frozenset(value)
    return value


def frozen_mapping(value: Mapping[str, object]) -> Mapping[str, object]:
    """`freeze` for the outermost mapping, with its type."""
    return MappingProxyType({key: freeze(item) for key, item in value.items()})
