"""Turns the end of a failed command's log into one line that says what to do.

Texts are those of GNU make and gcc, apt, pip and the C library in the C locale. Pure functions on
text; must not import other modules of the set-up.
"""

from __future__ import annotations

import re

# First match wins, so the particular stands before the general.
_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|Disk quota exceeded|don't have enough free space",
        "the disk is full: free about 1 GB in the cache folder and the checkout, and run again",
    ),
    (
        r"THESE PACKAGES DO NOT MATCH THE HASHES",
        "a downloaded package differs from its locked hash: clear pip's cache and check the "
        "configured package index; if the lock itself is to change, run tools/setup --lock",
    ),
    (
        r"In --require-hashes mode",
        "a requirement file lacks a hash: restore tools/requirements or run tools/setup --lock",
    ),
    (
        r"NO_PUBKEY|is not signed|signatures? (?:couldn't|could not) be verified|EXPKEYSIG",
        "apt cannot verify the Debian archive's signature: apt-get install debian-archive-keyring "
        "(a version that knows the trixie keys), and run again",
    ),
    (
        r"Temporary failure (?:in name resolution|resolving)|Could not resolve|"
        r"Could not connect|Network is unreachable|Connection timed out|Connection refused|"
        r"NewConnectionError|NameResolutionError|Failed to establish a new connection|"
        r"Cannot initiate the connection|Max retries exceeded|Connection failed",
        "no network: the download server cannot be reached; check the connection and the proxy "
        "settings, and run again",
    ),
    (
        r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|Certificate verification failed",
        "the download server's certificate is not trusted: apt-get install ca-certificates, or set "
        "SSL_CERT_FILE and PIP_CERT to your organisation's certificate",
    ),
    (
        r"No matching distribution found for (?P<what>\S+)",
        "the package index does not give {what}: check the network and pip's index settings; if it "
        "has no wheel for this interpreter, set FTBRIDGE_PYTHON to a CPython 3.13t",
    ),
    (
        r"Unable to find a source package for (?P<what>\S+)",
        "the Debian mirror has no source package {what}: use a full mirror, install uv, or set "
        "FTBRIDGE_PYTHON to a free-threaded CPython",
    ),
    (
        r"Permission denied: '(?P<what>[^']+)'|cannot create [^:]*'(?P<other>[^']+)': Permission",
        "{what} cannot be written: correct its owner or permissions, and run again",
    ),
    (
        r"Read-only file system",
        "the file system is read-only: use a writable checkout, or set XDG_CACHE_HOME",
    ),
    (
        r"Killed signal terminated program|virtual memory exhausted|Cannot allocate memory",
        "the compiler ran out of memory: close other programs or add swap, and run again",
    ),
)


def explain(text: str) -> str:
    """The one line for the first known cause in ``text``, or an empty string."""
    for pattern, line in _CAUSES:
        found = re.search(pattern, text)
        if found is not None:
            named = [value for value in found.groupdict().values() if value]
            return line.format(what=named[0] if named else "")
    return ""
