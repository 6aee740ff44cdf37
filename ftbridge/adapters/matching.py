"""What a parameter takes, as its annotation says: what `ftbridge.adapters.annotations` answers.

The words of the wire are here too. Must never look at an annotation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# Names of the adapter guide's table; `null` and `any` are ours.
STRING: Final = "string"
INTEGER: Final = "integer"
FLOAT: Final = "float"
BOOLEAN: Final = "boolean"
EMBEDDING: Final = "embedding"
MAP: Final = "map"
TENSOR: Final = "tensor"
BINARY: Final = "binary"
NULL: Final = "null"
ANY: Final = "any"

# Problems of one value that an error spells out; a list of a million may have as many.
_SPELT_OUT: Final = 5


class Mismatch(Exception):  # noqa: N818  # never leaves the argument checker
    """A value does not fit; the message says what it is, beside its type."""


type Convert = Callable[[object], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """What one parameter takes.

    `exact`: classes whose instances pass at once (compared by identity, so that a bool is not
    taken for an int). `convert`: asked about everything else; returns the value to pass, or
    raises `Mismatch`; None means that all else is refused. `anything`: no check at all.
    """

    wire_type: str
    expected: str
    exact: frozenset[type] = frozenset()
    convert: Convert | None = None
    anything: bool = False
    choices: tuple[object, ...] = ()

    def take(self, value: object) -> object:
        """The value to pass. Raises `Mismatch` when it does not fit."""
        if self.anything or value.__class__ in self.exact:
            return value
        if self.convert is None:
            raise Mismatch(describe(value))
        return self.convert(value)


ACCEPT_ANYTHING: Final = Accept(wire_type=ANY, expected="any value", anything=True)


def describe(value: object) -> str:
    """Name a refused value for an error message: its JSON type and Python class, not its content.

    The content stays out because it may be private and because it may be megabytes.
    """
    if value is None:
        return "null"
    return type(value).__name__


def spell_out(problems: list[str]) -> str:
    """Several problems of one value as the end of "must be …, got one …"."""
    shown = " and ".join(problems[:_SPELT_OUT])
    more = len(problems) - _SPELT_OUT
    return f"one {shown}" + (f" and {more} more problems" if more > 0 else "")
