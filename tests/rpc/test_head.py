from __future__ import annotations

import hpack
import pytest
from rpc.harness import Service

from ftbridge.rpc import MethodKind, StatusCode
from ftbridge.rpc.head import RESPONSE_HEAD, TRAILERS_OK, refusal, response_head, trailers


def decoded(block: bytes) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in hpack.Decoder().decode(block)]


def test_constant_blocks():
    assert decoded(RESPONSE_HEAD) == [(":status", "200"), ("content-type", "application/grpc")]
    assert decoded(TRAILERS_OK) == [("grpc-status", "0")]
    assert trailers(StatusCode.OK, "", ()) is TRAILERS_OK
    assert response_head((), gzip=False) is RESPONSE_HEAD


def test_response_head_with_metadata_and_gzip():
    assert decoded(response_head((("k", "v"), ("b-bin", b"\0")), gzip=True))[1:] == [
        ("content-type", "application/grpc"),
        ("grpc-encoding", "gzip"),
        ("k", "v"),
        ("b-bin", "AA"),
    ]


def test_trailers_carry_code_message_and_metadata():
    assert decoded(trailers(StatusCode.NOT_FOUND, "a%b", (("k", "v"),))) == [
        ("grpc-status", "5"),
        ("grpc-message", "a%25b"),
        ("k", "v"),
    ]
    with pytest.raises(ValueError, match="reserved"):
        trailers(StatusCode.OK, "", (("grpc-status", "1"),))


def test_blocks_are_stateless():
    """The same decoder reads a block twice, and one behind another, to the same fields."""
    block = RESPONSE_HEAD + trailers(StatusCode.INTERNAL, "x", (("key", "value"),))
    decoder = hpack.Decoder()
    assert decoder.decode(block) == decoder.decode(block)
    assert not decoder.header_table.dynamic_entries


def test_refusals_name_the_encodings_where_it_helps():
    assert ("grpc-accept-encoding", "identity,gzip") in decoded(
        refusal(StatusCode.UNIMPLEMENTED, "x")
    )
    assert "grpc-accept-encoding" not in dict(decoded(refusal(StatusCode.INTERNAL, "x")))


def test_the_table_of_the_harness_has_every_kind():
    assert {method.kind for method in Service().methods()} == set(MethodKind)
