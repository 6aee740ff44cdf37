import gzip
import itertools

import pytest

from ftbridge.rpc.framing import Assembler, decompress, frame
from ftbridge.rpc.status import RpcError, StatusCode

LIMIT = 1000


def assembler(*, gzip: bool = False) -> Assembler:
    return Assembler(limit=LIMIT, gzip=gzip)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_messages_whatever_the_boundaries(step: int) -> None:
    messages = [b"", b"a", b"hello" * 20, b"", b"end"]
    wire = b"".join(frame(m, limit=LIMIT) for m in messages)
    reader = assembler()
    got = [
        m
        for batch in itertools.batched(wire, step, strict=False)
        for m in reader.feed(bytes(batch))
    ]
    reader.finish()
    assert got == messages


def test_a_message_over_the_limit_is_refused_by_its_prefix_alone() -> None:
    with pytest.raises(RpcError, match="4294967295 bytes, the limit is 1000") as caught:
        assembler().feed(b"\0\xff\xff\xff\xff")
    assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED


def test_a_message_of_exactly_the_limit_passes() -> None:
    assert assembler().feed(frame(b"x" * LIMIT, limit=LIMIT)) == [b"x" * LIMIT]
    with pytest.raises(RpcError, match="1001 bytes"):
        frame(b"x" * (LIMIT + 1), limit=LIMIT)


def test_a_stream_that_ends_within_a_message() -> None:
    reader = assembler()
    assert reader.feed(b"\0\0\0\0\5hel") == []
    assert reader.buffered == 8
    with pytest.raises(RpcError, match="8 of 10 bytes"):
        reader.finish()


def test_gzip_round_trip_and_only_when_smaller() -> None:
    text = b"abc" * 300
    squeezed = frame(text, limit=LIMIT, compress=True)
    assert squeezed[0] == 1
    assert len(squeezed) < 100
    assert assembler(gzip=True).feed(squeezed) == [text]
    assert frame(b"x", limit=LIMIT, compress=True) == b"\0\0\0\0\1x"


def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(RpcError, match="once decompressed") as caught:
        decompress(bomb, limit=LIMIT)
    assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("data", [b"not gzip", gzip.compress(b"hello", mtime=0)[:-3], b""])
def test_broken_gzip(data: bytes) -> None:
    with pytest.raises(RpcError, match="gzip") as caught:
        decompress(data, limit=LIMIT)
    assert caught.value.code is StatusCode.INTERNAL


def test_compressed_flag_needs_the_header() -> None:
    with pytest.raises(RpcError, match="without a grpc-encoding"):
        assembler().feed(b"\1\0\0\0\1x")
    with pytest.raises(RpcError, match="neither 0 nor 1"):
        assembler(gzip=True).feed(b"\2\0\0\0\1x")
