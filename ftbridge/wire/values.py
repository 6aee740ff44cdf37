"""Python values inside `google.protobuf.Any`, the way the bridge's hosts read and write them.

An Any of the bridge holds JSON text, whatever its type_url says: a host sends arguments under
the URL of StringValue and reads results without looking at the URL. Numbers keep their value
(integers of any size, -0.0, 1.0 as a float), None is null, and a float that JSON lacks travels,
when it stands alone, as the string "NaN", "Infinity" or "-Infinity". Bytes and large arrays
travel raw, beside the JSON. docs/values.md is the same for readers.

Nothing here shares state between threads that any of them writes.
"""

import json
import json.encoder
import math
from collections.abc import Callable, Mapping
from typing import Any as AnyType
from typing import Final, NamedTuple, cast

from ftbridge.wire.codec import DecodeError, Malformed, read_length
from ftbridge.wire.markers import marker
from ftbridge.wire.messages import Any
from ftbridge.wire.plain import FEW, SCALARS, Plain, to_plain
from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy
from ftbridge.wire.scalars import incumbent_scalar
from ftbridge.wire.tensors import (
    FORMAT_KEY,
    TENSOR_FORMAT,
    TensorError,
    from_json,
    from_raw,
    is_tensor,
    layout,
    layout_text,
    raw,
    read_layout,
    to_json,
    travels_raw,
)

STRING_VALUE_URL: Final = "type.googleapis.com/google.protobuf.StringValue"
"""What hosts write on arguments."""
_TYPE_PREFIX: Final = "type.googleapis.com/snakepit."

# The URLs of results by the type of the JSON value. Hosts know boolean, map, string, float and
# list; the others are this project's, and no host looks.
RESULT_URLS: Final[dict[type, str]] = {
    bool: _TYPE_PREFIX + "boolean",
    int: _TYPE_PREFIX + "integer",
    float: _TYPE_PREFIX + "float",
    str: _TYPE_PREFIX + "string",
    list: _TYPE_PREFIX + "list",
    dict: _TYPE_PREFIX + "map",
    type(None): _TYPE_PREFIX + "null",
}
FLOAT_URL: Final = RESULT_URLS[float]
BINARY_URL: Final = _TYPE_PREFIX + "binary"
TENSOR_URL: Final = _TYPE_PREFIX + "tensor"

_SPECIAL_FLOATS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

SHORT_INTEGER: Final = 18
"""Longest run of digits that is read as an integer without the JSON scanner: 64 bits have 19."""


# JSON text. `json.dumps` builds an encoder for each call; the C encoder and scanner behind it
# keep no state between calls, so one of each serves all threads.


def _make_encoder() -> Callable[[Plain], str]:
    """A function from plain data to compact JSON; ValueError for NaN, infinities, huge integers."""
    slow = json.JSONEncoder(
        ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
    )
    try:
        factory = cast("AnyType", json.encoder).c_make_encoder
        text = json.encoder.encode_basestring
        fast = factory(None, slow.default, text, None, ":", ",", False, False, False)
        if "".join(fast({"a": [1, None]}, 0)) != '{"a":[1,null]}':
            return slow.encode
    except (AttributeError, TypeError):  # another Python, whose private encoder differs
        return slow.encode

    def encode(value: Plain) -> str:
        return "".join(fast(value, 0))

    return encode


_encode_plain: Final = _make_encoder()
_decoder: Final = json.JSONDecoder()
scan_json: Final = cast(
    "Callable[[str, int], tuple[object, int]]", cast("AnyType", _decoder).scan_once
)
_quote: Final = json.encoder.encode_basestring


_LONG_TEXT: Final = 4096  # characters

# What JSON text may not hold as it is: the usual ones, the backslash first, and all others.
_COMMON: Final = (
    (b"\\", rb"\\"),
    (b'"', rb"\""),
    (b"\n", rb"\n"),
    (b"\r", rb"\r"),
    (b"\t", rb"\t"),
)
_RARE: Final = bytes(set(range(0x20)) - set(b"\n\r\t"))


def encode_json(value: AnyType, policy: WirePolicy = DEFAULT_POLICY) -> bytes:
    """`value` as JSON text in UTF-8, compact.

    Never fails for what the value holds: what JSON cannot carry is replaced as `plain.to_plain`
    says (NaN inside containers by null, lone surrogates by U+FFFD, unknown types by markers). A
    float alone that is not finite becomes a string.
    """
    kind = type(value)
    if kind is dict:
        return _encode_flat(value) or _encode_other(value, policy)[0]
    if kind is str:
        try:
            return _encode_text(value)
        except UnicodeEncodeError:
            return _encode_repaired(value, policy)
    if kind is int:
        try:
            return int.__repr__(value).encode()
        except ValueError:  # longer than sys.set_int_max_str_digits() allows
            return _encode_repaired(value, policy)
    if kind is float:
        return _encode_float(value)
    if kind is bool:
        return b"true" if value else b"false"
    if value is None:
        return b"null"
    return _encode_other(value, policy)[0]


def encode_value(value: object, policy: WirePolicy = DEFAULT_POLICY) -> Any:
    """`value` as hosts send arguments: JSON under the URL of StringValue.

    A float that is not finite goes under the float URL, or it would be read as a string, and an
    array under the tensor's. Never fails for what the value holds, as `encode_json`; raw bytes
    become a marker, they belong into `binary_parameters` (`split_arguments`).
    """
    kind = type(value)
    if kind in RESULT_URLS and kind is not float:
        return Any(type_url=STRING_VALUE_URL, value=encode_json(value, policy))
    if is_tensor(value) and not travels_raw(cast("AnyType", value), policy.tensor_bytes):
        return _tensor(value)
    text, kind = _encode_other(value, policy)
    special = kind is float and text.startswith(b'"')
    return Any(type_url=FLOAT_URL if special else STRING_VALUE_URL, value=text)


def split_arguments(
    arguments: Mapping[str, object], policy: WirePolicy = DEFAULT_POLICY
) -> tuple[dict[str, Any], dict[str, bytes], dict[str, str]]:
    """A call's arguments as a request carries them.

    Returns:
        `parameters`, `binary_parameters`, and what `metadata` has to say about the latter: raw
        bytes and large arrays are binary, everything else is JSON.
    """
    parameters: dict[str, Any] = {}
    binary: dict[str, bytes] = {}
    formats: dict[str, str] = {}
    for name, value in arguments.items():
        if isinstance(value, bytes | bytearray | memoryview):
            binary[name] = bytes(value)
        elif is_tensor(value) and travels_raw(cast("AnyType", value), policy.tensor_bytes):
            binary[name] = raw(cast("AnyType", value))
            formats[f"{FORMAT_KEY}:{name}"] = layout_text(cast("AnyType", value))
        else:
            parameters[name] = encode_value(value, policy)
    return parameters, binary, formats


def to_result(value: object, policy: WirePolicy = DEFAULT_POLICY) -> tuple[Any | None, bytes]:
    """`value` as a tool's result: (`result`, `binary_result`) of an ExecuteToolResponse.

    bytes, bytearray and memoryview travel raw, with no `result` beside them. Empty ones go as an
    empty string, which is what the empty binary is to a host: an empty `binary_result` means none.
    A large array travels raw too, with its layout in `result`, a small one as JSON that says dtype
    and shape. Everything else is JSON under the URL of its type. Never fails for what the value
    holds.
    """
    if policy.snakepit:
        value = incumbent_scalar(value)
    kind = type(value)
    url = RESULT_URLS.get(kind)
    if url is not None:
        return Any(type_url=url, value=encode_json(value, policy)), b""
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
        return (None, content) if content else (Any(type_url=BINARY_URL, value=b'""'), b"")
    if is_tensor(value):
        array = cast("AnyType", value)
        if not travels_raw(array, policy.tensor_bytes):
            return _tensor(array), b""
        about = _encode_plain(cast("Plain", layout(array))).encode()
        return Any(type_url=RESULT_URLS[dict], value=about), raw(array)
    text, kind = _encode_other(value, policy)
    return Any(type_url=RESULT_URLS[kind], value=text), b""


class Binary(NamedTuple):
    """A binary result with a description that is no tensor's, as only foreign servers send."""

    data: bytes
    metadata: object


def from_result(result: Any | None, binary: bytes) -> object:
    """What a tool returned, from `result` and `binary_result`: `to_result`, the other way.

    Arrays that came raw are read-only views of `binary`.

    Raises:
        DecodeError: the content is not JSON, or not what its layout says.
    """
    if not binary:
        return None if result is None else decode_value(result)
    about = None if result is None else decode_value(result)
    if not about:
        return binary
    if isinstance(about, dict) and about.get(FORMAT_KEY) == TENSOR_FORMAT:
        try:
            return from_raw(binary, *read_layout(about))
        except TensorError as error:
            raise DecodeError("ExecuteToolResponse", "binary_result", 0, str(error)) from None
    return Binary(binary, about)


def _tensor(array: AnyType) -> Any:
    return Any(type_url=TENSOR_URL, value=_encode_plain(cast("Plain", to_json(array))).encode())


def _encode_other(value: object, policy: WirePolicy) -> tuple[bytes, type]:
    """The JSON text of any value, and the type of the plain data that it was reduced to."""
    try:
        plain = to_plain(value, policy)
    except RecursionError:  # called when little of the stack was left
        plain = cast("Plain", marker(value))
    if type(plain) is float:
        return _encode_float(plain), float
    try:
        return _encode_plain(plain).encode(), type(plain)
    except ValueError:  # UnicodeEncodeError is one
        return _encode_repaired(value, policy), type(plain)


def _encode_flat(value: dict[object, object]) -> bytes:
    """A dict of scalars, the commonest result, without a look at what is around it; b"" if it is
    another or holds what needs repair."""
    if len(value) > FEW:
        return b""
    inner = value.copy()  # one step, see `plain`
    is_long = False
    for key, item in inner.items():
        kind = type(item)
        if kind is str:
            if len(item) > _LONG_TEXT:  # type: ignore[arg-type]
                is_long = True
        elif kind not in SCALARS:
            return b""
        if type(key) is not str:
            return b""
    try:
        if not is_long:
            return _encode_plain(cast("Plain", inner)).encode()
        parts = [
            _encode_text(cast("str", key))
            + b":"
            + (
                _encode_text(item)
                if type(item) is str
                else _encode_plain(cast("Plain", item)).encode()
            )
            for key, item in inner.items()
        ]
    except ValueError:  # UnicodeEncodeError is one
        return b""
    return b"{" + b",".join(parts) + b"}"


def _encode_text(text: str) -> bytes:
    """As `_quote`, in UTF-8. Raises UnicodeEncodeError for lone surrogates.

    `_quote` looks at each character, twice; what is long is looked at by passes over all of it,
    which for plain text take a fifth of the time.
    """
    if len(text) <= _LONG_TEXT:
        return _quote(text).encode()
    raw = text.encode()
    if len(raw.translate(None, _RARE)) != len(raw):
        return _quote(text).encode()
    for octet, escaped in _COMMON:
        if octet in raw:
            raw = raw.replace(octet, escaped)
    return b'"' + raw + b'"'


def _encode_repaired(value: object, policy: WirePolicy) -> bytes:
    return _encode_plain(to_plain(value, policy, repair=True)).encode()


def _encode_float(value: float) -> bytes:
    if math.isfinite(value):
        return float.__repr__(value).encode()
    if math.isnan(value):
        return b'"NaN"'
    return b'"Infinity"' if value > 0 else b'"-Infinity"'


def decode_value(any: Any) -> object:
    """The Python value in `any`, by the last part of its type name.

    "float" and "integer" see to the type of a number, "binary" to that of an empty string,
    "tensor" makes an array, read-only; under every other name the JSON counts. A StringValue that
    a generic client really packed is read as its text, where it is not JSON. An Any with nothing
    in it is None.

    Raises:
        DecodeError: the content is not JSON, or no array.
    """
    content = any.value
    url = any.type_url
    # Before the general way: short numbers are the commonest arguments.
    if (
        content.isdigit()
        and len(content) <= SHORT_INTEGER
        and (content[0] != 0x30 or len(content) == 1)
    ):
        value: object = int(content)
    else:
        try:
            text = content.decode()
            value, behind = scan_json(text, 0)
            if behind != len(text):
                value = _decoder.decode(text)
        except (StopIteration, ValueError, RecursionError):
            value = _decode_odd(content, url)
    if url == STRING_VALUE_URL:
        return value
    return _coerced(value, url)


def _decode_odd(raw: bytes, url: str) -> object:
    """Everything rarer: surrounding white space, packed StringValues, no content, no JSON."""
    if not raw and not url:
        return None
    try:
        return _decoder.decode(raw.decode())
    except UnicodeDecodeError as error:
        failure = DecodeError("Any", "value", error.start, "JSON that is not valid UTF-8")
    except json.JSONDecodeError as error:
        failure = DecodeError("Any", "value", error.pos, f"not JSON ({error.msg})")
    except RecursionError:
        failure = DecodeError("Any", "value", 0, "JSON nested too deep")
    except ValueError as error:  # an integer of more digits than sys.set_int_max_str_digits()
        failure = DecodeError("Any", "value", 0, str(error))
    if url.endswith("google.protobuf.StringValue"):
        text = _packed_text(raw)
        if text is not None:
            return text
    raise failure


def _packed_text(raw: bytes) -> str | None:
    """The text of a protobuf-encoded StringValue, or None when `raw` is something else."""
    if not raw:
        return ""
    if raw[0] != 0x0A:
        return None
    try:
        size, start = read_length(raw, 1, len(raw))
        return raw[start:].decode() if start + size == len(raw) else None
    except (Malformed, UnicodeDecodeError):
        return None


def _coerced(value: object, url: str) -> object:
    name = url.rpartition("/")[2].rpartition(".")[2]
    if name == "float":
        if type(value) is int:
            return _as_float(value)
        if type(value) is str:
            return _SPECIAL_FLOATS.get(value, value)
    elif name == "integer":
        if type(value) is float and value.is_integer():
            return int(value)
    elif name == "tensor":
        if isinstance(value, dict) and value.keys() >= {"dtype", "shape", "data"}:
            try:
                return from_json(value)
            except TensorError as error:
                raise DecodeError("Any", "value", 0, str(error)) from None
    elif name == "binary" and value == "":
        return b""
    return value


def _as_float(value: int) -> float | int:
    try:
        return float(value)
    except OverflowError:  # beyond 1.8e308: better exact than infinite
        return value


__all__ = [
    "BINARY_URL",
    "FLOAT_URL",
    "STRING_VALUE_URL",
    "TENSOR_URL",
    "Binary",
    "decode_value",
    "encode_json",
    "encode_value",
    "from_result",
    "split_arguments",
    "to_result",
]
