"""Tests of ``tools.setup_lib.aptsources``."""

from pathlib import Path

import pytest

from tools.setup_lib.aptsources import Mirror, read_mirrors, source_stanza

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def read(tmp_path: Path, text: str, name: str) -> list[Mirror]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_mirrors([path])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb http://m.example/debian bookworm main", [Mirror("http://m.example/debian")]),
        ("deb http://m.example/debian/ trixie contrib main", [Mirror("http://m.example/debian")]),
        ("deb-src http://m.example/debian sid main # why", [Mirror("http://m.example/debian")]),
        (
            f"deb [arch=amd64 signed-by={KEYRING}] http://m.example/debian stable main",
            [Mirror("http://m.example/debian", KEYRING)],
        ),
        (
            "deb [ trusted=yes ] http://m.example/debian bookworm main",
            [Mirror("http://m.example/debian")],
        ),
        (
            "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main",
            [Mirror("mirror+file:/etc/apt/mirrors/debian.list")],
        ),
        ("# deb http://m.example/debian bookworm main", []),
        ("deb cdrom:[Debian 12]/ bookworm main", []),
        ("deb http://m.example/apt cloud-sdk-bookworm main", []),
        ("deb http://m.example/debian bookworm stable", []),
        ("deb http://m.example/ubuntu noble main", []),
        ("deb http://m.example/debian ./", []),
        ("deb", []),
        ("nonsense", []),
    ],
)
def test_one_line_format(tmp_path: Path, line: str, expected: list[Mirror]) -> None:
    assert read(tmp_path, line + "\n", "sources.list") == expected


def test_deb822_format(tmp_path: Path) -> None:
    text = f"""\
# A comment before
Types: deb
# and one inside
URIs: http://one.example/debian
 http://two.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: http://other.example
Suites: nodistro
Components: main
"""
    assert read(tmp_path, text, "debian.sources") == [
        Mirror("http://one.example/debian", KEYRING),
        Mirror("http://two.example/debian", KEYRING),
    ]


def test_embedded_key_survives_into_the_stanza(tmp_path: Path) -> None:
    key = (
        "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----"
    )
    text = (
        "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n"
        f"Signed-By:{key}\n"
    )
    (mirror,) = read(tmp_path, text, "x.sources")
    stanza = source_stanza(mirror, suite="trixie")
    assert stanza.endswith(key + "\n")
    # Reading our own stanza gives the same mirror back: nothing of the key is lost.
    assert read(tmp_path, stanza, "y.sources") == [mirror]


def test_the_debian_archive_key_comes_first_and_repeats_are_dropped(tmp_path: Path) -> None:
    text = (
        "deb [signed-by=/k/other.gpg] http://other.example/debian bookworm main\n"
        f"deb [signed-by={KEYRING}] http://m.example/debian bookworm main\n"
        f"deb [signed-by={KEYRING}] http://m.example/debian/ trixie main\n"
    )
    assert [mirror.uri for mirror in read(tmp_path, text, "sources.list")] == [
        "http://m.example/debian",
        "http://other.example/debian",
    ]


def test_unreadable_files_are_skipped(tmp_path: Path) -> None:
    assert read_mirrors([tmp_path / "missing.list"]) == []


def test_stanza_has_sources_of_one_suite_only() -> None:
    stanza = source_stanza(Mirror("http://m.example/debian", KEYRING), suite="trixie")
    assert stanza.splitlines() == [
        "Types: deb-src",
        "URIs: http://m.example/debian",
        "Suites: trixie",
        "Components: main",
        f"Signed-By: {KEYRING}",
    ]
