"""Errors name their code and carry what their handler needs."""

from ftbridge.http2 import ErrorCode, ProtocolError, StreamRefused


def test_codes_of_section_7() -> None:
    assert [code.value for code in ErrorCode] == list(range(14))
    assert ErrorCode.HTTP_1_1_REQUIRED.value == 0xD


def test_protocol_error() -> None:
    error = ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "PING of 6 octets")
    assert str(error) == "FRAME_SIZE_ERROR: PING of 6 octets"
    assert (error.code, error.reason, error.events) == (
        ErrorCode.FRAME_SIZE_ERROR,
        "PING of 6 octets",
        [],
    )


def test_stream_refused() -> None:
    assert StreamRefused("later", permanent=False).permanent is False
