"""Tests of ``tools.setup_lib.diagnosis``: the last words of real tools, and our line."""

import pytest

from tools.setup_lib.diagnosis import explain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cc1: error: /x.s: No space left on device", "the disk is full"),
        ("OSError: [Errno 122] Disk quota exceeded: '/home/u/x'", "the disk is full"),
        ("E: You don't have enough free space in /var/cache", "the disk is full"),
        (
            "Err:1 http://m.example/debian trixie InRelease\n"
            "  Temporary failure resolving 'm.example'",
            "no network",
        ),
        (
            "W: Failed to fetch http://m/InRelease  Could not connect to m:80 (1.2.3.4). - connect",
            "no network",
        ),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError('<pip._vendor",
            "no network",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "differs from its locked hash",
        ),
        (
            "ERROR: In --require-hashes mode, all requirements must have their versions pinned",
            "lacks a hash",
        ),
        (
            "W: GPG error: http://m trixie InRelease: The following signatures couldn't be verified"
            " because the public key is not available: NO_PUBKEY 6ED0E7B82643E131",
            "debian-archive-keyring",
        ),
        (
            "ERROR: No matching distribution found for numpy==2.4.6",
            "the package index does not give numpy==2.4.6",
        ),
        ("E: Unable to find a source package for python3.13", "no source package python3.13"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] "
            "Permission denied: '/x/y'",
            "/x/y cannot be written",
        ),
        ("mkdir: cannot create directory '/x': Read-only file system", "read-only"),
        ("gcc: fatal error: Killed signal terminated program cc1", "out of memory"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "certificate"),
        ("make: *** [Makefile:1: x.o] Error 1", ""),
        ("", ""),
    ],
)
def test_explain(text: str, expected: str) -> None:
    line = explain(text)
    assert expected in line
    assert bool(line) is bool(expected)
    assert "\n" not in line


def test_a_full_disk_is_named_before_the_network_trouble_it_causes() -> None:
    assert "disk" in explain("Connection failed\nwrite: No space left on device\n")
