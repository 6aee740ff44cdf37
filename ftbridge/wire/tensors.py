"""Arrays that travel by themselves, with their dtype and shape: as JSON, or raw beside it.

Raw, an array is its elements in C order, little-endian, without gaps. What they are is said by a
layout, in two spellings: a JSON object beside a result's bytes, a short text in the metadata of a
request or a chunk, where only strings go. Everything that arrives is hostile until checked
against the bytes that came with it: a layout never makes this module allocate.

numpy is imported when the first array arrives; one that is sent has brought it in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    import numpy as np

# Every dtype that travels, as numpy spells it in little-endian order, and as Nx names the type.
# Nothing else does: no objects (reading them runs code), no text, no records, no platform's own.
NX_TYPES: Final = {
    "|b1": "u8",
    "|i1": "s8",
    "<i2": "s16",
    "<i4": "s32",
    "<i8": "s64",
    "|u1": "u8",
    "<u2": "u16",
    "<u4": "u32",
    "<u8": "u64",
    "<f2": "f16",
    "<f4": "f32",
    "<f8": "f64",
    "<c8": "c64",
    "<c16": "c128",
}
_ITEM_BYTES: Final = {dtype: int(dtype[2:]) for dtype in NX_TYPES}

MAX_DIMENSIONS: Final = 32
"""numpy 1's limit; numpy 2 takes 64."""
_MAX_LENGTH: Final = (1 << 63) - 1
_MAX_DIGITS: Final = 19  # of a dimension: 64 bits

FORMAT_KEY: Final = "binary_format"
"""In a layout, and in a chunk's metadata; a request's says ``binary_format:<parameter>``."""
JSON_FORMAT_KEY: Final = "json_format"
"""In the metadata of a chunk whose JSON is `to_json`'s."""
TENSOR_FORMAT: Final = "tensor"

# What JSON has no number for, as it stands in "data".
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FITTING: Final[dict[str, frozenset[type]]] = {
    "b": frozenset({bool}),
    "i": frozenset({int}),
    "u": frozenset({int}),
    "f": frozenset({int, float}),
}
_NO_NUMBER: Final = {math.inf: "Infinity", -math.inf: "-Infinity"}


class TensorError(ValueError):
    """A layout, or the content that came with it, is no array. The message says why."""


# --- sending ------------------------------------------------------------------------------------


def is_tensor(value: object) -> bool:
    """Whether a value travels as a tensor: a numpy array of numbers with one dimension or more.

    Exactly ``numpy.ndarray``: subclasses carry more than elements (a mask, units).
    """
    kind = type(value)
    if kind.__module__ != "numpy" or kind.__name__ != "ndarray":
        return False
    array = cast("np.ndarray[Any, Any]", value)
    return 0 < array.ndim <= MAX_DIMENSIONS and _little(array) in NX_TYPES


def travels_raw(array: np.ndarray[Any, Any], most: int) -> bool:
    """Whether it is too large for JSON, `most` bytes, or of complex numbers, which JSON lacks."""
    return array.nbytes > most or (array.dtype.kind == "c" and array.size > 0)


def raw(array: np.ndarray[Any, Any]) -> bytes:
    """The elements in C order, little-endian: a copy as they are now."""
    return array.astype(_little(array), copy=False).tobytes()


def layout(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What a host needs to read `raw`: the JSON object beside it."""
    dtype = _little(array)
    return {
        FORMAT_KEY: TENSOR_FORMAT,
        "dtype": dtype,
        "shape": list(array.shape),
        "type": NX_TYPES[dtype],
    }


def layout_text(array: np.ndarray[Any, Any]) -> str:
    """The same where only text goes: ``tensor;dtype=<f4;shape=2,3``."""
    return f"{TENSOR_FORMAT};dtype={_little(array)};shape={','.join(map(str, array.shape))}"


def to_json(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """A small array as JSON: its layout and, in "data", all elements in C order in one list."""
    dtype = _little(array)
    data = array.reshape(-1).tolist()
    if array.dtype.kind == "f" and not all(map(math.isfinite, data)):
        data = [
            x if math.isfinite(x) else _NO_NUMBER.get(x, "NaN")  # nan is no key: not equal itself
            for x in data
        ]
    return {"dtype": dtype, "shape": list(array.shape), "type": NX_TYPES[dtype], "data": data}


def _little(array: np.ndarray[Any, Any]) -> str:
    return str(array.dtype.newbyteorder("<").str)


# --- receiving ----------------------------------------------------------------------------------


def parse_layout(text: str) -> tuple[str, tuple[int, ...]]:
    """The dtype and the shape in a layout's text.

    Raises:
        TensorError: anything but ``tensor;dtype=<one of NX_TYPES>;shape=<lengths>``, in which no
            lengths at all are a single element.
    """
    parts = text.split(";")
    if len(parts) != 3 or parts[0] != TENSOR_FORMAT:
        raise _bad_layout(text)
    found = dict(part.partition("=")[::2] for part in parts[1:])
    if found.keys() != {"dtype", "shape"}:
        raise _bad_layout(text)
    lengths = found["shape"].split(",") if found["shape"] else []
    for length in lengths[: MAX_DIMENSIONS + 1]:
        if not (length.isascii() and length.isdigit() and len(length) <= _MAX_DIGITS):
            raise TensorError(f"shape holds {length[:40]!r}, which is no length")
    shape = tuple(map(int, lengths[: MAX_DIMENSIONS + 1]))
    return _checked(found["dtype"], shape)


def from_raw(data: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The array in `data`, without a copy: it reads those very bytes, and cannot be written.

    Args:
        dtype, shape: from `parse_layout` or `read_layout`.

    Raises:
        TensorError: there are more or fewer bytes than the layout asks for.
    """
    needed = math.prod(shape) * _ITEM_BYTES[dtype]
    if needed != len(data):
        raise TensorError(
            f"dtype {dtype} and shape {_shown(shape)} take {_counted(needed)} bytes, "
            f"{len(data)} came"
        )
    import numpy as np

    try:
        return np.frombuffer(data, np.dtype(dtype)).reshape(shape)
    except ValueError as error:  # without elements, the other lengths can be too long for numpy
        raise TensorError(f"shape {_shown(shape)}: {error}") from None


def read_layout(fields: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    """The dtype and the shape in a JSON layout. Raises `TensorError`."""
    dtype, shape = fields.get("dtype"), fields.get("shape")
    if not isinstance(shape, list) or not all(type(length) is int for length in shape):
        raise TensorError("shape is not a list of integers")
    return _checked(dtype, tuple(shape[: MAX_DIMENSIONS + 1]))


def from_json(fields: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The array that `to_json` made. Raises `TensorError` for everything else."""
    dtype, shape = read_layout(fields)
    data = fields.get("data")
    if not isinstance(data, list) or len(data) != math.prod(shape):
        raise TensorError(
            f"shape {_shown(shape)} takes {_counted(math.prod(shape))} elements in data"
        )
    kinds = set(map(type, data))
    if dtype[1] == "f" and str in kinds:
        data = [_SPECIAL.get(x, x) if type(x) is str else x for x in data]
        kinds = set(map(type, data))
    # numpy would read text as numbers, cut fractions and take anything for true.
    fitting = _FITTING.get(dtype[1], frozenset())
    if not kinds <= fitting:
        names = ", ".join(sorted(kind.__name__ for kind in kinds - fitting))
        raise TensorError(f"data of dtype {dtype} holds {names}")
    import numpy as np

    try:
        array = np.array(data, np.dtype(dtype)).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise TensorError(f"data does not fit dtype {dtype}: {error}") from None
    array.flags.writeable = False  # as an array that came raw: one rule for both
    return array


def _checked(dtype: object, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    if not isinstance(dtype, str) or dtype not in NX_TYPES:
        raise TensorError(f"dtype {str(dtype)[:40]!r} is none of {', '.join(NX_TYPES)}")
    if len(shape) > MAX_DIMENSIONS:
        raise TensorError(f"shape has more than {MAX_DIMENSIONS} dimensions")
    for length in shape:
        if not 0 <= length <= _MAX_LENGTH:
            raise TensorError(f"shape holds {_counted(length)}, which is no length")
    return dtype, shape


def _bad_layout(text: str) -> TensorError:
    return TensorError(f"{text[:80]!r} is not of the form tensor;dtype=<f4;shape=2,3")


def _shown(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


def _counted(number: int) -> str:
    """A number that a sender chose: its digits, unless they would fill the message."""
    return str(number) if abs(number) < 1 << 64 else "more than 2**64"
