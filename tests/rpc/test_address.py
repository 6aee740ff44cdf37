import socket

import pytest

from ftbridge.rpc.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "family", "host", "port"),
    [
        ("127.0.0.1:50051", socket.AF_INET, "127.0.0.1", 50051),
        ("localhost:0", socket.AF_INET, "localhost", 0),
        (":8080", socket.AF_INET, "0.0.0.0", 8080),
        ("[::1]:1", socket.AF_INET6, "::1", 1),
        ("[::]:65535", socket.AF_INET6, "::", 65535),
        ("unix:/tmp/x.sock", socket.AF_UNIX, "/tmp/x.sock", 0),
        ("unix:///tmp/x.sock", socket.AF_UNIX, "/tmp/x.sock", 0),
    ],
)
def test_forms(text: str, family: socket.AddressFamily, host: str, port: int) -> None:
    assert parse_address(text) == Address(family, host, port)


@pytest.mark.parametrize(
    "text", ["", "host", "host:", "host:x", "host:65536", "host:-1", "host:²", "::1:50051", "unix:"]
)
def test_refused_with_the_text(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_address(text)


def test_written_back() -> None:
    for text in ("127.0.0.1:1", "[::1]:2", "unix:/a"):
        assert str(parse_address(text)) == text
