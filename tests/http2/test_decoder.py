"""The decoder against RFC 7541's own examples, and against ``hpack`` on whatever octets."""

import pytest
from hpack import Decoder, Encoder, HPACKError
from http2.peer import examples
from hypothesis import given
from hypothesis import strategies as st

from ftbridge.http2 import ErrorCode, ProtocolError
from ftbridge.http2.decoder import HeaderDecoder

PLENTY = 2**20

EXAMPLES = {
    "C.2.1 literal with indexing": (
        "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
        "custom-key: custom-header",
    ),
    "C.2.2 literal without indexing": ("040c2f73616d706c652f70617468", ":path: /sample/path"),
    "C.2.3 literal never indexed": ("100870617373776f726406736563726574", "password: secret"),
    "C.2.4 indexed": ("82", ":method: GET"),
}
"""Name in RFC 7541, block in hexadecimal, the field it stands for."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str) -> None:
    octets, text = EXAMPLES[name]
    field = tuple(part.encode() for part in text.rsplit(": ", 1))
    decoder = HeaderDecoder(PLENTY)
    assert decoder.decode(bytes.fromhex(octets)) == [field]
    assert decoder.changed == name.startswith("C.2.1")


def test_requests_with_huffman_coding() -> None:
    """RFC 7541 appendix C.4: three blocks over one dynamic table."""
    decoder = HeaderDecoder(PLENTY)
    first = decoder.decode(bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff"))
    second = decoder.decode(bytes.fromhex("828684be5886a8eb10649cbf"))
    third = decoder.decode(bytes.fromhex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"))
    authority = (b":authority", b"www.example.com")
    assert first == [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), authority]
    assert second == [*first, (b"cache-control", b"no-cache")]
    assert third == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/index.html"),
        authority,
        (b"custom-key", b"custom-value"),
    ]


def test_eviction() -> None:
    """RFC 7541 section 4.4: an entry may name the one it evicts; too large a one empties all."""
    decoder = HeaderDecoder(PLENTY)
    decoder.decode(b"\x3f\x19")  # 56 octets: room for one entry of 24
    name = b"n" * 12
    decoder.decode(b"\x40\x0c" + name + b"\x0c" + b"1" * 12)
    assert decoder.decode(b"\x7e\x0c" + b"2" * 12) == [(name, b"2" * 12)]
    assert decoder.decode(b"\xbe") == [(name, b"2" * 12)]
    decoder.decode(b"\x7e\x0d" + b"3" * 13)
    with pytest.raises(ProtocolError):
        decoder.decode(b"\xbe")


def test_size_is_counted_and_bounded() -> None:
    """RFC 9113 section 6.5.2: name, value and 32 octets for each field."""
    decoder = HeaderDecoder(100)
    decoder.decode(b"\x82\x84")
    assert decoder.list_size == len(":methodGET:path/") + 2 * 32
    with pytest.raises(ProtocolError) as caught:
        decoder.decode(b"\x82\x84\x84")
    assert caught.value.code is ErrorCode.ENHANCE_YOUR_CALM


def agree(ours: HeaderDecoder, oracle: Decoder, octets: bytes) -> bool:
    """Both decode ``octets`` to the same fields (True), or both refuse them."""
    try:
        expected = [tuple(field) for field in oracle.decode(octets, raw=True)]
    except HPACKError:
        with pytest.raises(ProtocolError) as caught:
            ours.decode(octets)
        assert caught.value.code is ErrorCode.COMPRESSION_ERROR
        return False
    assert ours.decode(octets) == expected
    return True


@examples(100)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_octets_as_hpack(blocks: list[bytes]) -> None:
    ours, oracle = HeaderDecoder(PLENTY), Decoder(PLENTY)
    for octets in blocks:
        if not agree(ours, oracle, octets):
            break


TEXTS = st.binary(max_size=30)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b":path", b"a", b"b", b"content-type", b"te"]) | TEXTS,
        st.sampled_from([b"", b"x", b"trailers", b"long" * 20]) | TEXTS,
        st.booleans(),
    ),
    max_size=6,
)


@examples(100)
@given(
    st.lists(
        st.tuples(FIELDS, st.booleans(), st.none() | st.integers(0, 4096), st.binary(max_size=3)),
        max_size=12,
    )
)
def test_encoded_blocks_as_hpack(
    blocks: list[tuple[list[tuple[bytes, bytes, bool]], bool, int | None, bytes]],
) -> None:
    """With inserts, evictions and size updates, and a little damage at the end of some."""
    ours, oracle, encoder = HeaderDecoder(PLENTY), Decoder(PLENTY), Encoder()
    for fields, huffman, resize, damage in blocks:
        if resize is not None:
            encoder.header_table_size = resize
        octets = encoder.encode(fields, huffman=huffman) + damage
        if not agree(ours, oracle, octets):
            break
