"""Scalars as Snakepit's own workers send them, for programs that were written against those.

Only values that such a program can compute with: an integer that always was a float, a missing
value that is the text "None", a date as Python prints it. What those workers make of bytes,
tuples, sets, arrays and objects, their ``repr``, no program can use; it is not kept.
"""

import datetime
import decimal
import enum
import fractions
import uuid
from typing import Final

_AS_TEXT: Final = (
    datetime.date,  # datetime is one
    datetime.time,
    datetime.timedelta,
    uuid.UUID,
    decimal.Decimal,
    fractions.Fraction,
    complex,
    enum.Enum,
)


def incumbent_scalar(value: object) -> object:
    """What to send for a tool's result; everything but scalars is returned as it is."""
    kind = type(value)
    if kind is dict or kind is str or kind is float or kind is list or kind is bool:
        return value
    if value is None:
        return "None"
    try:
        if kind.__module__ == "numpy":
            # numpy.float64 is a float; an array without dimensions is to us a scalar of numpy's.
            scalar = getattr(value, "ndim", 1) == 0 and not isinstance(value, float)
            return str(value) if scalar else value
        if isinstance(value, int):
            return float(value)
        if isinstance(value, str):
            return value
        return str(value) if isinstance(value, _AS_TEXT) else value
    except Exception:  # noqa: BLE001 - beyond 1.8e308, or the value's own code; the call must not
        return value
