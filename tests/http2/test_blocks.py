"""The header cache: it never answers with what the octets no longer mean, and stays small."""

import pytest
from hpack import Decoder, Encoder, HPACKError
from http2.peer import REQUEST, block, examples, replaced
from hypothesis import given
from hypothesis import strategies as st

from ftbridge.http2 import ErrorCode, HeaderBlock, Limits, ProtocolError
from ftbridge.http2.blocks import BlockReader, Malformed
from ftbridge.http2.limits import HEADER_CACHE_BYTES, HEADER_CACHE_ENTRIES


def read(reader: BlockReader, octets: bytes) -> HeaderBlock | Malformed:
    """What the reader's fast path does."""
    return reader.cache.get(octets) or reader.decode(octets)


def new_reader(**limits: int) -> BlockReader:
    return BlockReader(Limits(**limits), response=False)


def test_a_repeated_block_is_the_same_object() -> None:
    reader = new_reader()
    octets = block(REQUEST)
    assert read(reader, octets) is read(reader, octets)


def test_a_block_that_changes_the_table_is_not_kept() -> None:
    reader, encoder = new_reader(), Encoder()
    first, second = encoder.encode(REQUEST), encoder.encode(REQUEST)
    read(reader, first)
    assert reader.cache == {}
    read(reader, second)
    assert set(reader.cache) == {second}


@pytest.mark.parametrize("change", [b"\x40\x01a\x01b", b"\x20"], ids=["insert", "size update"])
def test_any_change_of_the_table_empties_the_cache(change: bytes) -> None:
    reader = new_reader()
    read(reader, block(REQUEST))
    assert reader.cache
    reader.decode(change)
    assert reader.cache == {}


def test_same_octets_new_meaning() -> None:
    """The defect that a cache without generations has."""
    reader = new_reader()
    index = b"\xbe"
    for value in (b"1", b"2"):
        reader.decode(b"\x40\x01x\x01" + value)
        for _ in range(2):
            got = read(reader, index)
            assert isinstance(got, HeaderBlock)
            assert got.fields == ((b"x", value),)


def test_a_change_within_an_oversized_block_counts_too() -> None:
    reader = new_reader(max_header_list_size=300)
    read(reader, b"\x40\x01x\x011")
    assert read(reader, b"\xbe").fields == ((b"x", b"1"),)  # type: ignore[union-attr]
    oversized = b"\x40\x01x\x012" + b"\x82" * 10
    got = read(reader, oversized)
    assert isinstance(got, Malformed)
    assert got.code is ErrorCode.ENHANCE_YOUR_CALM
    assert read(reader, b"\xbe").fields == ((b"x", b"2"),)  # type: ignore[union-attr]


def test_malformed_blocks_are_not_kept_but_change_the_table() -> None:
    reader = new_reader()
    bad = b"\x00\x01X\x01y"
    assert isinstance(read(reader, bad), Malformed)
    assert reader.cache == {}
    assert isinstance(read(reader, b"\x40\x01X\x01y"), Malformed)
    assert isinstance(read(reader, b"\xbe"), Malformed)


def test_an_acknowledged_limit_empties_the_cache() -> None:
    """RFC 7541 section 4.2: a cached block has no size update, so it may not be used."""
    reader = new_reader()
    octets = block(REQUEST)
    read(reader, octets)
    reader.set_table_limit(0)
    with pytest.raises(ProtocolError) as caught:
        read(reader, octets)
    assert caught.value.code is ErrorCode.COMPRESSION_ERROR


def test_entries_are_bounded_and_the_newest_stay() -> None:
    reader = new_reader()
    all_octets = [block([(b"x", b"%d" % n)]) for n in range(3 * HEADER_CACHE_ENTRIES)]
    for octets in all_octets:
        read(reader, octets)
    assert list(reader.cache) == all_octets[-HEADER_CACHE_ENTRIES:]


def test_octets_are_bounded() -> None:
    reader = new_reader()
    for n in range(200):
        read(reader, block([(b"x", b"%04d" % n + b"a" * 1000)]))
    assert 20 < len(reader.cache) <= HEADER_CACHE_BYTES // 2000


def test_small_blocks_of_large_fields_are_bounded_by_what_they_hold() -> None:
    reader = new_reader()
    reader.decode(b"\x40\x01x\x7f\x80\x10" + b"a" * (127 + 2048))
    for n in range(1, 61):
        read(reader, b"\xbe" + bytes([0x80 | n]))
    assert len(reader.cache) < HEADER_CACHE_BYTES // 2000


def test_a_large_block_does_not_evict_the_others() -> None:
    reader = new_reader()
    read(reader, block(REQUEST))
    large = block(replaced(b":path", b"/" + b"a" * 10_000))
    assert isinstance(read(reader, large), HeaderBlock)
    assert set(reader.cache) == {block(REQUEST)}


NAMES = st.sampled_from([b"a", b"b", b"content-type", b"user-agent"])
VALUES = st.sampled_from([b"", b"1", b"2", b"application/grpc", b"v" * 60])


@examples(100)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=5),
            st.none() | st.sampled_from([0, 40, 100, 200, 4096]),
            st.integers(0, 30),
        ),
        max_size=40,
    )
)
def test_cached_equals_uncached(
    traffic: list[tuple[list[tuple[bytes, bytes, bool]], int | None, int]],
) -> None:
    """Inserts, evictions and resizes at random, with old blocks sent again in between."""
    reader, oracle, encoder = new_reader(), Decoder(), Encoder()
    history: list[bytes] = []
    for fields, resize, again in traffic:
        if resize is not None:
            encoder.header_table_size = resize
        octets = encoder.encode(fields)
        if again < len(history):  # out of step with the encoder, as only the octets count here
            octets = history[again]
        history.append(octets)
        try:
            expected = tuple(tuple(field) for field in oracle.decode(octets, raw=True))
        except HPACKError:
            with pytest.raises(ProtocolError):
                read(reader, octets)
            return
        got = read(reader, octets)
        assert isinstance(got, HeaderBlock)
        assert got.fields == expected
