"""Values through Any: what a host sees, and that they come back."""

import inspect
import json
import math
import sys
from typing import Any as AnyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftbridge.wire import DecodeError, values
from ftbridge.wire.markers import REPR_KEY, TYPE_KEY, UNSERIALIZABLE_KEY
from ftbridge.wire.messages import Any
from ftbridge.wire.plain import Plain
from ftbridge.wire.policy import WirePolicy
from ftbridge.wire.values import (
    Binary,
    decode_value,
    encode_json,
    encode_value,
    from_result,
    to_result,
)

PREFIX = "type.googleapis.com/snakepit."

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

# Anything a tool might return: with keys, text and numbers that JSON lacks.
ANY_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=()))
    | st.binary()
    | st.complex_numbers()
    | st.decimals()
    | st.datetimes()
    | st.uuids()
    | st.just(5000).map(lambda digits: 10**digits)  # no repr: too long to print
    | st.sampled_from([np.float32("nan"), np.int8(-1), np.zeros((2, 0)), object(), range(2)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.text() | st.integers() | st.none() | st.booleans() | st.floats() | st.binary(),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def reject_constant(text: str) -> None:
    raise AssertionError(f"{text} is not JSON")


def host_reads(any: Any) -> AnyType:
    """As the host: the URL does not count, the JSON does, strictly."""
    return json.loads(any.value.decode("utf-8", "strict"), parse_constant=reject_constant)


def same(one: object, other: object) -> bool:
    """Equal, with the same types all through: 1 is not 1.0, and -0.0 is not 0.0."""
    return repr(one) == repr(other)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(JSON_VALUES)
def test_json_values_come_back_exactly(value: object) -> None:
    assert same(decode_value(encode_value(value)), value)
    result, binary = to_result(value)
    assert result is not None
    assert binary == b""
    assert same(decode_value(result), value)
    assert same(host_reads(result), value)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(ANY_VALUES)
def test_no_value_fails(value: object) -> None:
    result, binary = to_result(value)
    if result is None:
        assert binary == value
    else:
        host_reads(result)
        decode_value(result)
    host_reads(encode_value(value))
    assert encode_json(value) == encode_json(value)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "null", b"null"),
        (True, "boolean", b"true"),
        (False, "boolean", b"false"),
        (0, "integer", b"0"),
        (2**53 + 1, "integer", b"9007199254740993"),
        (-(2**63), "integer", b"-9223372036854775808"),
        (2**64, "integer", b"18446744073709551616"),
        (1.0, "float", b"1.0"),
        (-0.0, "float", b"-0.0"),
        (1e300, "float", b"1e+300"),
        (math.nan, "float", b'"NaN"'),
        (math.inf, "float", b'"Infinity"'),
        (-math.inf, "float", b'"-Infinity"'),
        ("", "string", b'""'),
        ('a"\\\n\0', "string", b'"a\\"\\\\\\n\\u0000"'),
        ("é", "string", '"é"'.encode()),
        ("\ud800", "string", '"\ufffd"'.encode()),
        ([1, [2.5, None]], "list", b"[1,[2.5,null]]"),
        ([math.nan, -math.inf], "list", b"[null,null]"),
        ({"a": {"b": True}}, "map", b'{"a":{"b":true}}'),
        ({"x": math.nan}, "map", b'{"x":null}'),
        ({1: 2}, "map", b'{"1":2}'),
        ((1, 2), "list", b"[1,2]"),
        (np.ma.arange(3), "list", b"[0,1,2]"),
        (np.float32(0.5), "float", b"0.5"),
        (np.float32("nan"), "float", b'"NaN"'),
        (np.float64("inf"), "float", b'"Infinity"'),
        (np.int64(7), "integer", b"7"),
        (np.bool_(True), "boolean", b"true"),
        (np.array(1.5), "float", b"1.5"),
        ([np.float64("nan")], "list", b"[null]"),
    ],
)
def test_result_as_the_host_sees_it(value: object, kind: str, text: bytes) -> None:
    assert to_result(value) == (Any(type_url=PREFIX + kind, value=text), b"")
    assert encode_json(value) == text


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_travel_raw(kind: type) -> None:
    result, binary = to_result(kind(b"\0\xff"))
    assert result is None
    assert binary == b"\0\xff"
    assert type(binary) is bytes


def test_empty_bytes_are_an_empty_string_to_a_host_and_bytes_to_us() -> None:
    result, binary = to_result(b"")
    assert result is not None
    assert binary == b""
    assert host_reads(result) == ""
    assert decode_value(result) == b""


def test_what_cannot_be_sent_is_marked() -> None:
    result, _ = to_result({"ok": 1, "bad": object(), "raw": [b"x"]})
    assert result is not None
    assert host_reads(result) == {
        "ok": 1,
        "bad": {UNSERIALIZABLE_KEY: True, TYPE_KEY: "builtins.object"},
        "raw": [{UNSERIALIZABLE_KEY: True, TYPE_KEY: "builtins.bytes"}],
    }


def test_one_odd_value_spoils_no_other() -> None:
    loop: list[object] = []
    loop.append(loop)
    value = {"good": [1, "two", 3.5], "odd": [math.nan, 10**5000, "\ud800", loop, {(1,): 2}, 1j]}
    result, _ = to_result(value)
    assert result is not None
    seen = host_reads(result)
    assert seen["good"] == [1, "two", 3.5]
    assert seen["odd"][0] is None
    assert seen["odd"][2] == "\ufffd"
    assert seen["odd"][4] == {"(1,)": 2}
    assert [UNSERIALIZABLE_KEY in seen["odd"][at] for at in (1, 5)] == [True, True]


def test_arguments_have_the_hosts_url() -> None:
    for value in (1, 1.5, "x", None, True, [1], {"a": 1}, (1,)):
        assert encode_value(value).type_url == values.STRING_VALUE_URL
    assert decode_value(encode_value("NaN")) == "NaN"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("inf")])
def test_special_floats_come_back_as_arguments_too(value: float) -> None:
    decoded = decode_value(encode_value(value))
    assert same(decoded, float(value))


@pytest.mark.parametrize(
    ("url", "text", "expected"),
    [
        ("google.protobuf.StringValue", b"42", 42),
        ("google.protobuf.StringValue", b"-42", -42),
        ("google.protobuf.StringValue", b"0", 0),
        (
            "google.protobuf.StringValue",
            b"123456789012345678901234567890",
            123456789012345678901234567890,
        ),
        ("google.protobuf.StringValue", b"1e3", 1000.0),
        ("google.protobuf.StringValue", b'"NaN"', "NaN"),
        ("google.protobuf.StringValue", b"null", None),
        ("google.protobuf.StringValue", b' {"a": [1, 2]}\n', {"a": [1, 2]}),
        ("google.protobuf.StringValue", b'"\\ud83d\\ude00"', "\U0001f600"),
        ("google.protobuf.StringValue", b"\n\x04ping", "ping"),  # really packed
        ("google.protobuf.StringValue", b"\n\x82\x01" + b"x" * 130, "x" * 130),
        ("google.protobuf.StringValue", b"", ""),  # the packed empty string
        ("snakepit.float", b"1", 1.0),
        ("snakepit.float", b'"NaN"', math.nan),
        ("snakepit.float", b'"-Infinity"', -math.inf),
        ("snakepit.float", b'"text"', "text"),
        ("snakepit.float", b"1" + b"0" * 400, 10**400),
        ("snakepit.integer", b"1.0", 1),
        ("snakepit.integer", b"1.5", 1.5),
        ("snakepit.integer", b"1", 1),
        ("snakepit.boolean", b"true", True),
        ("snakepit.string", b'""', ""),
        ("snakepit.unheard_of", b"[1]", [1]),
    ],
)
def test_decoding_by_type_name(url: str, text: bytes, expected: object) -> None:
    assert same(decode_value(Any(type_url=f"type.googleapis.com/{url}", value=text)), expected)
    assert same(decode_value(Any(type_url=url, value=text)), expected)


def test_an_any_with_nothing_in_it_is_none() -> None:
    assert decode_value(Any()) is None


@pytest.mark.parametrize(
    "text",
    [
        b"", b"plain text", b"{", b"[1,]", b"01", b"00", b"1 2", b"'a'", b'"a', b"+1", b"1_000",
        b"\xff", b'"\xed\xa0\x80"', b"\n\x05ping", b"\n", b"tru", b"\xd9\xa3", b"1" * 5000,
        b'"tab\there"',
    ],
)  # fmt: skip
def test_what_is_not_json_is_a_decode_error(text: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_value(Any(type_url=PREFIX + "string", value=text))
    assert (caught.value.message, caught.value.field) == ("Any", "value")


def test_json_nested_too_deep_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="too deep"):
        decode_value(Any(type_url=PREFIX + "list", value=b"[" * 200_000))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.binary(max_size=12) | st.text('0123456789-+.eE[]{}",: tfn\\\n', max_size=8).map(str.encode)
)
def test_decoding_agrees_with_the_json_module(text: bytes) -> None:
    try:
        expected: object = json.loads(text.decode())
    except ValueError:
        with pytest.raises(DecodeError):
            decode_value(Any(type_url="other", value=text))
    else:
        assert same(decode_value(Any(type_url="other", value=text)), expected)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(JSON_VALUES)
def test_encoding_agrees_with_the_json_module(value: object) -> None:
    try:
        expected = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return
    assert encode_json(value) == expected


def test_the_plain_python_encoder_writes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an interpreter without the C encoder, or with another one."""
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    slow = values._make_encoder()
    examples: list[Plain] = [{"a": [1, None, "é", 1.5]}, [], {}]
    for value in examples:
        assert slow(value) == values._encode_plain(value)
    with pytest.raises(ValueError, match="Out of range"):
        slow([math.nan])


def test_little_stack_left_is_no_failure() -> None:
    value: object = 1
    for _ in range(200):
        value = [value]

    def at_the_limit(depth: int) -> bytes:
        return encode_json(value) if depth == 0 else at_the_limit(depth - 1)

    frames = len(inspect.stack(context=0))
    encoded = at_the_limit(sys.getrecursionlimit() - frames - 60)
    assert json.loads(encoded) == {UNSERIALIZABLE_KEY: True, TYPE_KEY: "builtins.list"}


def test_a_small_array_is_json_with_dtype_and_shape() -> None:
    array = np.array([[1, 2, 3]], dtype="<i2")
    result, binary = to_result(array)
    assert result is not None
    assert result.type_url == PREFIX + "tensor"
    assert host_reads(result) == {
        "dtype": "<i2", "shape": [1, 3], "type": "s16", "data": [1, 2, 3]
    }  # fmt: skip
    back = from_result(result, binary)
    assert isinstance(back, np.ndarray)
    assert (back.dtype, back.tolist()) == (array.dtype, array.tolist())
    assert encode_value(array) == result


def test_a_large_array_is_raw_with_its_layout_beside_it() -> None:
    array = np.arange(20_000, dtype=">f8").reshape(100, 200)
    result, binary = to_result(array)
    assert result is not None
    assert host_reads(result) == {
        "binary_format": "tensor", "dtype": "<f8", "shape": [100, 200], "type": "f64"
    }  # fmt: skip
    assert binary == array.astype("<f8").tobytes()
    back = from_result(result, binary)
    assert isinstance(back, np.ndarray)
    assert np.array_equal(back, array)
    assert np.shares_memory(back, np.frombuffer(binary, "u1"))


def test_an_array_without_elements_keeps_dtype_and_shape() -> None:
    for array in (np.zeros((0, 3), "<f4"), np.zeros((2, 0), "<c8")):
        result, binary = to_result(array, WirePolicy(tensor_bytes=0))
        assert binary == b""
        back = from_result(result, binary)
        assert isinstance(back, np.ndarray)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)


@pytest.mark.parametrize("value", [b"\0\xff", b"", {"a": 1}, None, 5, "x", [1, None], math.inf])
def test_results_come_back(value: object) -> None:
    result, binary = to_result(value)
    expected = "Infinity" if value == math.inf else value
    assert from_result(result, binary) in (expected, value)


def test_bytes_with_a_foreign_description_keep_it() -> None:
    about = Any(value=b'{"format":"png"}')
    assert from_result(about, b"x") == Binary(b"x", {"format": "png"})
    assert from_result(Any(value=b"{}"), b"x") == b"x"


@pytest.mark.parametrize(
    "layout", [b'{"binary_format":"tensor"}',
               b'{"binary_format":"tensor","dtype":"|O","shape":[1]}',
               b'{"binary_format":"tensor","dtype":"<f4","shape":[2]}'],
)  # fmt: skip
def test_a_result_that_is_not_what_its_layout_says(layout: bytes) -> None:
    with pytest.raises(DecodeError, match="binary_result"):
        from_result(Any(value=layout), b"\0" * 4)


def test_a_tensor_without_the_three_keys_is_what_its_json_says() -> None:
    for text in (b"[1,2]", b'{"shape":[2],"data":[1,2]}'):
        any = Any(type_url=PREFIX + "tensor", value=text)
        assert decode_value(any) == json.loads(text)


def test_an_array_inside_is_a_list_up_to_the_limit() -> None:
    policy = WirePolicy(max_list_elements=4)
    assert encode_json([np.zeros((2, 2))], policy) == b"[[[0.0,0.0],[0.0,0.0]]]"
    too_many = json.loads(encode_json({"a": np.zeros(5), "b": 1}, policy))
    assert too_many == {"a": {UNSERIALIZABLE_KEY: True, TYPE_KEY: "numpy.ndarray"}, "b": 1}


def test_the_limit_holds_for_other_libraries_arrays() -> None:
    class Foreign:
        size = 5
        spread = False

        def tolist(self) -> list[int]:
            self.spread = True
            return [0] * 5

    value = Foreign()
    assert json.loads(encode_json(value, WirePolicy(max_list_elements=4)))[UNSERIALIZABLE_KEY]
    assert not value.spread
    assert encode_json(value, WirePolicy(max_list_elements=5)) == b"[0,0,0,0,0]"


def test_markers_tell_what_the_policy_lets_them() -> None:
    policy = WirePolicy(marker_detail="repr_truncated", marker_length=8)
    found = json.loads(encode_json({"k": [b"0123456789"]}, policy))
    assert found["k"][0][REPR_KEY] == "b'012..."


@pytest.mark.parametrize("length", [1, 4095, 4096, 4097, 9000])
@pytest.mark.parametrize("odd", ["", '"', "\\", "\n\r\t", "\x00", "\x1f\x7f", "é日😀", '\\"\\n'])
def test_long_text_is_encoded_as_short_text_is(odd, length):
    text = odd + "x" * length + odd
    expected = json.dumps(text, ensure_ascii=False).encode()
    assert encode_json(text) == expected
    assert encode_json({"a": 1, odd: text, "z": None}) == (
        b'{"a":1,' + json.dumps(odd, ensure_ascii=False).encode() + b":" + expected + b',"z":null}'
    )


def test_long_text_with_what_utf8_lacks_is_repaired():
    text = "x" * 5000
    assert encode_json(text + "\ud800") == ('"' + text + '\ufffd"').encode()
    assert encode_json({"t": text + "\ud800"}) == ('{"t":"' + text + '\ufffd"}').encode()
    assert encode_json({"t": text, "f": math.nan}) == ('{"t":"' + text + '","f":null}').encode()
