"""Reads the machine's apt sources, to learn which Debian mirror it uses and whose key it trusts.

Both formats of sources.list(5). Pure functions on text and folders; starts nothing and writes
nothing, so that the machine's own configuration stays untouched.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Names under which Debian publishes a whole archive: classes and the releases apt may still see.
DEBIAN_SUITES = frozenset(
    {
        *("oldoldstable", "oldstable", "stable", "testing", "unstable", "sid"),
        *("buster", "bullseye", "bookworm", "trixie", "forky", "duke"),
    }
)
# The component that holds CPython.
COMPONENT = "main"
# Methods apt can use without a person: a disc may not be in the drive.
_USABLE_URI = re.compile(r"(?!cdrom:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class Mirror(NamedTuple):
    """A Debian archive as the machine's sources name it.

    ``signed_by`` is the value of Signed-By: paths, fingerprints or a whole key of several lines;
    empty where the machine trusts its global keyring.
    """

    uri: str
    signed_by: str = ""


def read_mirrors(files: Iterable[Path]) -> list[Mirror]:
    """The Debian mirrors in ``files``, best first, without repetition.

    Those whose key is named as the Debian archive's come first: another publisher may use Debian's
    suite names, and its archive then simply lacks the source package. Unreadable files are skipped.
    """
    found: list[Mirror] = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        entries = _stanzas(text) if path.suffix == ".sources" else _lines(text)
        found += entries
    return sorted(dict.fromkeys(found), key=lambda mirror: "debian-archive" not in mirror.signed_by)


def source_stanza(mirror: Mirror, *, suite: str) -> str:
    """A deb822 stanza that fetches only the source index of ``suite`` from ``mirror``.

    Of the machine's options only the key is kept: ``trusted`` would switch the check off.
    """
    lines = [
        "Types: deb-src",
        f"URIs: {mirror.uri}",
        f"Suites: {suite}",
        f"Components: {COMPONENT}",
    ]
    if mirror.signed_by:
        lines.append(f"Signed-By: {mirror.signed_by}")
    return "\n".join(lines) + "\n"


def _lines(text: str) -> Iterator[Mirror]:
    """Entries of the one-line format: ``deb [option=value …] uri suite component …``."""
    for line in text.splitlines():
        entry = re.fullmatch(
            r"\s*(?:deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<rest>[^#]*)(?:#.*)?", line
        )
        if entry is None:
            continue
        uri, *names = entry["rest"].split() or [""]
        if len(names) < 2:
            continue
        options = dict(
            option.split("=", 1) for option in (entry["options"] or "").split() if "=" in option
        )
        yield from _mirrors([uri], names[:1], names[1:], options.get("signed-by", ""))


def _stanzas(text: str) -> Iterator[Mirror]:
    """Entries of the deb822 format: fields over lines, stanzas apart by empty lines."""
    for block in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in {" ", "\t"} and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in {"no", "false", "off", "0", "without"}:
            continue
        yield from _mirrors(
            fields.get("uris", "").split(),
            fields.get("suites", "").split(),
            fields.get("components", "").split(),
            # A key in the file itself keeps its lines; paths and fingerprints are one line.
            fields.get("signed-by", ""),
        )


def _mirrors(
    uris: list[str], suites: list[str], components: list[str], signed_by: str
) -> Iterator[Mirror]:
    if COMPONENT in components and DEBIAN_SUITES.intersection(suites):
        for uri in uris:
            if _USABLE_URI.match(uri):
                yield Mirror(uri=uri.rstrip("/"), signed_by=signed_by)
