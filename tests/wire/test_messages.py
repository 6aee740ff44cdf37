"""The generated messages against google.protobuf: byte for byte, both ways."""

import copy
import math
import pickle
import struct
import tracemalloc
import typing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire.oracle import NAMES, PAIRS, Plain, build, contents, ours, plain, theirs

from ftbridge.wire import DecodeError, EncodeError, messages
from ftbridge.wire.codec import Message

EXAMPLES = settings(
    derandomize=True,
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("name", NAMES)
def test_encodes_the_bytes_of_protobuf(name: str) -> None:
    theirs_class = PAIRS[name][1]

    @EXAMPLES
    @given(contents(theirs_class.DESCRIPTOR))
    def check(content: Plain) -> None:
        encoded = build(name, content, ours=True).encode()
        expected = build(name, content, ours=False).SerializeToString(deterministic=True)
        assert encoded == expected

    check()


@pytest.mark.parametrize("name", NAMES)
def test_decodes_what_protobuf_encodes(name: str) -> None:
    cls, theirs_class = PAIRS[name]

    @EXAMPLES
    @given(contents(theirs_class.DESCRIPTOR))
    def check(content: Plain) -> None:
        encoded = build(name, content, ours=False).SerializeToString()
        decoded = cls.decode(encoded)
        assert plain(decoded, theirs_class.DESCRIPTOR) == content

    check()


@pytest.mark.parametrize("name", NAMES)
def test_merges_like_protobuf(name: str) -> None:
    """Two encodings one after the other are the second merged into the first."""

    @EXAMPLES
    @given(st.lists(contents(PAIRS[name][1].DESCRIPTOR), min_size=2, max_size=3))
    def check(parts: list[Plain]) -> None:
        data = b"".join(build(name, part, ours=True).encode() for part in parts)
        assert ours(name, data) == theirs(name, data)

    check()


@pytest.mark.parametrize("name", NAMES)
def test_fresh_message_is_empty_and_owns_its_containers(name: str) -> None:
    cls = PAIRS[name][0]
    assert cls().encode() == b""
    assert cls.decode(b"") == cls()
    for field, kind, _ in cls.FIELDS:
        if kind.startswith(("map<", "repeated ")):
            assert getattr(cls(), field) is not getattr(cls(), field)
            assert getattr(cls.decode(b""), field) is not getattr(cls.decode(b""), field)


@pytest.mark.parametrize("name", NAMES)
def test_fields_are_those_of_the_descriptor(name: str) -> None:
    cls, theirs_class = PAIRS[name]
    assert [field for field, _, _ in cls.FIELDS] == [
        field.name for field in sorted(theirs_class.DESCRIPTOR.fields, key=lambda f: f.number)
    ]
    assert set(cls.__slots__) == {field for field, _, _ in cls.FIELDS}
    assert not hasattr(cls(), "__dict__")


@pytest.mark.parametrize("rate", [-0.0, math.inf, math.nan, 5e-324])
def test_doubles_other_than_zero_are_written(rate: float) -> None:
    """-0.0 too: it equals the default but is not the default."""
    encoded = messages.TelemetrySamplingUpdate(sampling_rate=rate).encode()
    assert encoded == b"\x09" + struct.pack("<d", rate)
    theirs_class = PAIRS["TelemetrySamplingUpdate"][1]
    assert encoded == theirs_class(sampling_rate=rate).SerializeToString()
    decoded = messages.TelemetrySamplingUpdate.decode(encoded).sampling_rate
    assert struct.pack("<d", decoded) == struct.pack("<d", rate)


def test_value_semantics() -> None:
    one = messages.ToolSpec(name="a", metadata={"k": "v"})
    assert one == messages.ToolSpec(name="a", metadata={"k": "v"})
    assert one != messages.ToolSpec(name="a")
    assert one != messages.ToolRegistration(name="a", metadata={"k": "v"})
    assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_repr_shows_what_is_set() -> None:
    response = messages.ExecuteToolResponse(result=messages.Any(value=b"1"))
    assert repr(response) == "ExecuteToolResponse(result=Any(value=b'1'))"
    assert repr(messages.TelemetryValue(int_value=0)) == "TelemetryValue(int_value=0)"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_buffer_decodes(kind: type) -> None:
    encoded = messages.ToolChunk(chunk_id="c-1", data=b"\0\1").encode()
    decoded = messages.ToolChunk.decode(kind(encoded))
    assert decoded.data == b"\0\1"
    assert type(decoded.data) is bytes


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_buffer_encodes(kind: type) -> None:
    chunk = messages.ToolChunk(data=kind(b"\0\1"))
    assert messages.ToolChunk.decode(chunk.encode()).data == b"\0\1"


def test_wide_memoryview_encodes_by_bytes_not_items() -> None:
    import array

    numbers = array.array("i", [1, 2, 3])
    encoded = messages.ToolChunk(data=memoryview(numbers)).encode()  # type: ignore[arg-type]
    assert messages.ToolChunk.decode(encoded).data == numbers.tobytes()


@pytest.mark.parametrize("data", ["text", 5, None])
def test_what_is_no_buffer_is_a_type_error(data: object) -> None:
    with pytest.raises(TypeError):
        messages.PingRequest.decode(data)  # type: ignore[arg-type]


# Untyped on purpose: the values below are those that a type checker would refuse.
m: typing.Any = messages


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (m.PingRequest(message="a\ud800"), r"PingRequest\.message .*surrogate '\\ud800' at"),
        (m.PingRequest(message=b"x"), r"PingRequest\.message .*expected str, got bytes"),
        (m.SessionConfig(cache_ttl_seconds=1 << 31), r"cache_ttl_seconds .*outside"),
        (m.SessionConfig(cache_ttl_seconds=1.5), r"cache_ttl_seconds .*expected int"),
        (m.ExecuteToolResponse(execution_time_ms=1 << 63), r"execution_time_ms .*outside"),
        (m.ExecuteToolResponse(result="text"), r"result .*expected google.protobuf.Any"),
        (m.ExecuteToolResponse(result=m.Any(type_url="\udc00")), r"Any\.type_url .*surrog"),
        (m.ExecuteToolResponse(result=m.Any(value="x")), r"Any\.value .*expected bytes"),
        (m.ExecuteToolResponse(binary_result="x"), r"binary_result .*expected bytes"),
        (m.ToolChunk(metadata={"k": 5}), r"ToolChunk\.metadata .*of 'k': expected str"),
        (m.ToolChunk(metadata={5: "v"}), r"ToolChunk\.metadata .*key 5: expected str"),
        (m.ToolChunk(metadata=[("k", "v")]), r"ToolChunk\.metadata .*expected a dict"),
        (m.ExecuteToolRequest(parameters={"a": 1}), r"parameters .*value of 'a': expected"),
        (m.ToolSpec(parameters=["p"]), r"ToolSpec\.parameters .*item 0: expected snakepit"),
        (m.TelemetryEvent(event_parts=[5]), r"event_parts .*item 0: expected str"),
        (m.TelemetryEvent(event_parts=5), r"event_parts .*expected a list"),
        (m.TelemetrySamplingUpdate(sampling_rate="x"), r"sampling_rate .*expected float"),
        (m.TelemetrySamplingUpdate(sampling_rate=10**400), r"sampling_rate .*too large"),
        (m.TelemetryValue(int_value=1, string_value=""), r"more than one set of int_value"),
        (m.PingResponse(server_time=5), r"server_time .*expected google.protobuf.Timestamp"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(message: Message, text: str) -> None:
    with pytest.raises(EncodeError, match=text):
        message.encode()


def test_a_field_never_set_is_named() -> None:
    message = object.__new__(messages.PingRequest)
    with pytest.raises(EncodeError, match=r"PingRequest\.message was never set"):
        message.encode()


def test_none_is_the_default_of_a_scalar() -> None:
    """As in protobuf's own constructors."""
    assert messages.ToolChunk(chunk_id=None, is_final=None).encode() == b""  # type: ignore[arg-type]


def test_a_large_payload_is_copied_once() -> None:
    """Also from inside the nested Any: the join is the only copy."""
    payload = bytes(4_000_000)
    response = messages.ExecuteToolResponse(result=messages.Any(value=payload))
    request = messages.ExecuteToolRequest(parameters={"a": messages.Any(value=payload)})
    tracemalloc.start()
    try:
        for message in (response, request):
            tracemalloc.reset_peak()
            encoded = message.encode()
            assert tracemalloc.get_traced_memory()[1] < 1.5 * len(payload)
            assert len(encoded) > len(payload)
            del encoded
    finally:
        tracemalloc.stop()


def test_decode_error_travels_between_processes() -> None:
    with pytest.raises(DecodeError) as caught:
        messages.PingRequest.decode(b"\x0a\x05")
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.message, error.field, str(error)) == (
        "PingRequest", "message", str(caught.value)
    )  # fmt: skip
