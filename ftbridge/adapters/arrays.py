"""`numpy.ndarray` parameters: nested lists of numbers, or a map of shape and data, with or without
dtype.

numpy is imported when a value is converted: the annotation names it, so the adapter has it.
"""

from typing import Any, cast, get_args

from ftbridge.adapters.matching import TENSOR, Accept, Mismatch, describe


class _Array:
    """Makes an array, of the element type that the annotation names, if it names one.

    `family`: what passes as it is; `scalar`: what all else is turned into.
    """

    __slots__ = ("_family", "_scalar")

    def __init__(self, family: Any, scalar: Any) -> None:
        self._family = family
        self._scalar = scalar

    def __call__(self, value: object) -> object:
        import numpy as np

        array = value if isinstance(value, np.ndarray) else _from_lists(value)
        if self._scalar is None or np.issubdtype(array.dtype, self._family):
            return array
        # Integers become floats, doubles become singles; 1.5 does not become 1.
        if not np.can_cast(array.dtype, self._scalar, "same_kind"):
            raise Mismatch(f"an array of {array.dtype}")
        return array.astype(self._scalar)


# What a tool's small array is to its caller, who may send it back as it is.
_DECLARED = frozenset({"dtype", "shape", "data"})
_FITTING: dict[str, frozenset[type]] = {
    "b": frozenset({bool}),
    "i": frozenset({int}),
    "u": frozenset({int}),
    "f": frozenset({int, float}),
}
_SPECIAL = frozenset({"NaN", "Infinity", "-Infinity"})  # floats that JSON has no number for


def _from_declared(fields: dict[str, Any]) -> Any:
    import numpy as np

    name, shape, data = fields["dtype"], fields["shape"], fields["data"]
    if not isinstance(name, str) or not isinstance(shape, list) or not isinstance(data, list):
        raise Mismatch("a map whose dtype, shape and data are no text and two lists")
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError, SyntaxError):
        raise Mismatch("a map whose dtype is none of numpy's") from None
    if dtype.kind == "f":
        data = [float(x) if isinstance(x, str) and x in _SPECIAL else x for x in data]
    if dtype.kind not in _FITTING or not set(map(type, data)) <= _FITTING[dtype.kind]:
        raise Mismatch(f"a map whose data is not of its dtype {dtype}")
    try:
        return np.array(data, dtype).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise Mismatch(f"a map that is no array: {error}") from None


def _from_lists(value: object) -> Any:
    import numpy as np

    if isinstance(value, dict) and _DECLARED <= value.keys() <= _DECLARED | {"type"}:
        return _from_declared(value)
    shape: Any = None
    if isinstance(value, dict) and value.keys() == {"shape", "data"}:
        shape, value = value["shape"], value["data"]
    if not isinstance(value, list):
        raise Mismatch(describe(value))
    try:
        array = np.asarray(value)
        if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
            raise Mismatch(f"a list that holds more than numbers ({array.dtype})")
        return array if shape is None else array.reshape(cast("list[int]", shape))
    except (ValueError, TypeError) as error:
        raise Mismatch(f"a list that is no array: {error}") from None


def array_accept(cls: type, arguments: tuple[object, ...]) -> Accept:
    """What an `ndarray` parameter takes; `arguments` are its shape and `dtype[...]`, if given."""
    import numpy as np

    scalars = get_args(arguments[1]) if len(arguments) == 2 else ()
    family = scalars[0] if scalars else None
    # Of the abstract types only these two tell what an integer should become.
    scalar: Any = np.float64 if family in (np.floating, np.inexact) else family
    if not (isinstance(scalar, type) and issubclass(scalar, np.generic)) or _is_abstract(scalar):
        scalar = None
    named = f" of {scalar.__name__}" if scalar is not None else ""
    return Accept(
        wire_type=TENSOR,
        expected=f"an array{named} (nested lists of numbers)",
        exact=frozenset({cls}) if scalar is None else frozenset(),
        convert=_Array(family, scalar),
    )


def _is_abstract(scalar: type) -> bool:
    """Whether it is a family of element types, such as `numpy.number`."""
    import numpy as np

    try:
        np.dtype(scalar)
    except TypeError:
        return True
    return scalar in (np.generic, np.number, np.integer, np.signedinteger, np.unsignedinteger)
