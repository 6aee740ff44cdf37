import pytest

from ftbridge.rpc.status import (
    MAX_STATUS_MESSAGE_BYTES,
    RpcError,
    StatusCode,
    decode_message,
    decode_status,
    encode_message,
    status_of_http,
    status_of_reset,
)


@pytest.mark.parametrize(
    "text", ["", "plain", "100% sure", "line\nbreak", "naïve ☃ \U0001f600", "tab\tand\x7f"]
)
def test_message_round_trip(text: str) -> None:
    raw = encode_message(text)
    assert all(0x20 <= b <= 0x7E for b in raw)
    assert decode_message(raw) == text


def test_percent_encoding_is_the_specified_one() -> None:
    assert encode_message("50% é\n") == b"50%25 %C3%A9%0A"


def test_long_message_is_cut_between_characters() -> None:
    raw = encode_message("é" * 100_000)
    assert len(raw) <= MAX_STATUS_MESSAGE_BYTES
    assert decode_message(raw).endswith("é... (cut)")
    assert "\ufffd" not in decode_message(raw)


def test_message_just_within_the_bound_is_kept_whole() -> None:
    text = "x" * (MAX_STATUS_MESSAGE_BYTES - len("... (cut)"))
    assert decode_message(encode_message(text)) == text


def test_lone_surrogate_does_not_lose_the_message() -> None:
    assert decode_message(encode_message("a\ud800b")) == "a?b"


def test_malformed_escapes_stay_as_they_are() -> None:
    assert decode_message(b"100%, 5%zz %C3%A9") == "100%, 5%zz é"


def test_unknown_codes_become_unknown() -> None:
    assert decode_status(b"5") is StatusCode.NOT_FOUND
    assert decode_status(b"99") is StatusCode.UNKNOWN
    assert decode_status(b"what") is StatusCode.UNKNOWN


def test_rpc_error_refuses_ok() -> None:
    with pytest.raises(ValueError, match="failing status"):
        RpcError(StatusCode.OK)


def test_rpc_error_reads_well() -> None:
    assert str(RpcError(StatusCode.NOT_FOUND, "no such tool")) == "NOT_FOUND: no such tool"
    assert str(RpcError(StatusCode.ABORTED)) == "ABORTED"


def test_http_and_reset_mappings() -> None:
    assert status_of_http(b"503") is StatusCode.UNAVAILABLE
    assert status_of_http(b"418") is StatusCode.UNKNOWN
    assert status_of_reset(7) is StatusCode.UNAVAILABLE
    assert status_of_reset(8) is StatusCode.CANCELLED
    assert status_of_reset(1) is StatusCode.INTERNAL
