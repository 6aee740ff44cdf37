"""Field sections: what the checks let through, and that encoding is stateless and decodable."""

import pytest
from hpack import Decoder
from http2.peer import REQUEST, RESPONSE, TRAILERS, examples
from hypothesis import given
from hypothesis import strategies as st

from ftbridge.http2 import HeaderBlock, encode_headers
from ftbridge.http2.headers import check_fields


def checked(fields: list[tuple[bytes, bytes]], *, response: bool = False) -> HeaderBlock:
    block = check_fields(fields, response=response)
    assert isinstance(block, HeaderBlock), block
    return block


def test_request() -> None:
    block = checked([*REQUEST, (b"content-length", b"007")])
    assert block.pseudo == dict(REQUEST[:4])
    assert block.fields == (*REQUEST[4:], (b"content-length", b"007"))
    assert block.content_length == 7
    assert block.memo is None


def test_response_and_trailers() -> None:
    assert checked(list(RESPONSE), response=True).pseudo == {b":status": b"200"}
    assert checked(list(TRAILERS), response=True).pseudo == {}
    assert checked(list(TRAILERS)).content_length is None


def test_cookies_are_joined() -> None:
    """RFC 9113 section 8.2.3."""
    block = checked([(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"), (b"cookie", b"c=3")])
    assert block.fields == ((b"cookie", b"a=1; b=2; c=3"), (b"x", b"y"))


@pytest.mark.parametrize("value", [b"", b"a", b"a b", b"a\tb", b"\x80\xff", b"!~", b'{"json": 1}'])
def test_values_that_are_allowed(value: bytes) -> None:
    assert checked([(b"x", value)]).fields == ((b"x", value),)


@pytest.mark.parametrize("name", [b"x", b"grpc-timeout", b"x_1", b"a.b", b"!#$%&'*+-.^_`|~0z"])
def test_names_that_are_allowed(name: bytes) -> None:
    assert checked([(name, b"1")]).fields == ((name, b"1"),)


@pytest.mark.parametrize(
    "values", [[b"1", b"2"], [b"-1"], [b"+1"], [b"1,1"], [b""], [b"0x1"], [b"9" * 5000]]
)
def test_content_length_that_is_no_length(values: list[bytes]) -> None:
    """RFC 9113 section 8.1.1, RFC 9110 section 8.6."""
    reason = check_fields([(b"content-length", value) for value in values], response=False)
    assert isinstance(reason, str)
    assert "content-length" in reason
    assert len(reason) < 200


def test_the_same_content_length_twice() -> None:
    assert checked([(b"content-length", b"1"), (b"content-length", b"1")]).content_length == 1


def test_te_in_any_case() -> None:
    assert checked([*REQUEST[:4], (b"te", b"Trailers")])


def test_other_schemes_have_their_own_paths() -> None:
    """RFC 9113 section 8.3.1 rules the path of http and https only."""
    assert checked(
        [(b":method", b"GET"), (b":scheme", b"coap"), (b":path", b"x"), (b":authority", b"a@b")]
    )


@pytest.mark.parametrize(
    "pseudo",
    [
        {b":method": b"a b"},
        {b":method": b""},
        {b":scheme": b"1http"},
        {b":scheme": b""},
    ],
)
def test_tokens_of_a_request(pseudo: dict[bytes, bytes]) -> None:
    fields = {**dict(REQUEST[:4]), **pseudo}
    assert isinstance(check_fields(fields.items(), response=False), str)


def test_reasons_name_the_value_and_stay_short() -> None:
    reason = check_fields([(b"x", b"\n" + b"a" * 10_000)], response=False)
    assert isinstance(reason, str)
    assert "b'x'" in reason
    assert len(reason) < 200


# --- encoding ---------------------------------------------------------------------------------


def test_encoding_uses_the_static_table() -> None:
    assert encode_headers([(b":status", b"200")]) == b"\x88"
    assert encode_headers([(b":status", b"599")]) == b"\x08\x03599"
    assert encode_headers([(b"content-type", b"x")]) == b"\x0f\x10\x01x"
    assert encode_headers([(b"grpc-status", b"0")]) == b"\x00\x0bgrpc-status\x010"


@pytest.mark.parametrize("size", [126, 127, 128, 254, 255, 16_511, 100_000])
def test_long_values(size: int) -> None:
    octets = encode_headers([(b"x", b"a" * size)])
    assert list(Decoder(2**20).decode(octets, raw=True)) == [(b"x", b"a" * size)]


@pytest.mark.parametrize(
    "field", [(b"X", b"y"), (b"", b"y"), (b"x", b"a\r\nb: c"), (b"x", b"a\0"), (b":", b"x")]
)
def test_what_may_not_be_sent(field: tuple[bytes, bytes]) -> None:
    """RFC 9113 section 8.2.1 binds us too: such a field may split a message further on."""
    with pytest.raises(ValueError, match="may not be sent"):
        encode_headers([field])


NAMES = st.from_regex(r"[a-z0-9_.\-]{1,20}", fullmatch=True).map(str.encode)
VALUES = st.from_regex(r"([!-~]([ -~]{0,150}[!-~])?)?", fullmatch=True).map(str.encode)


@examples(100)
@given(st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=6), max_size=4))
def test_encoding_round_trip(blocks: list[list[tuple[bytes, bytes]]]) -> None:
    decoder = Decoder(2**20)
    for fields in blocks:
        assert list(decoder.decode(encode_headers(fields), raw=True)) == fields
    assert not decoder.header_table.dynamic_entries
