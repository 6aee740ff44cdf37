"""Fetches CPython's source from the machine's Debian mirror, by apt, without touching its own apt.

apt verifies the archive's signature, the index and each file. Everything it keeps lies in the
cache folder, and only the source index of one suite is fetched, so that no root is needed and a
machine of another suite stays what it is.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .aptsources import Mirror, read_mirrors, source_stanza
from .errors import SetupError
from .layout import clean_environment

if TYPE_CHECKING:
    from .layout import Layout
    from .runner import Runner

# The suite whose CPython 3.13 has the free-threaded build option and security support.
SUITE = "trixie"
PACKAGE = "python3.13"
# Mirrors tried before giving up; more only delay the message.
MIRROR_LIMIT = 3
APT_TIMEOUT_SECONDS = 600.0
OTHER_WAYS = "set FTBRIDGE_PYTHON to a CPython 3.13t or 3.14t, or install uv"


class Source(NamedTuple):
    """One fetched source package. ``version`` is Debian's, as in ``3.13.5-2``."""

    version: str
    folder: Path

    @property
    def python_version(self) -> str:
        """CPython's own version, as in ``3.13.5``."""
        return self.version.split("-")[0].split("+")[0]

    @property
    def original(self) -> Path:
        """CPython's own release, unchanged."""
        return self._archive("orig")

    @property
    def changes(self) -> Path:
        """Debian's packaging, with the fixes it applies."""
        return self._archive("debian")

    def _archive(self, part: str) -> Path:
        # Beside CPython's release lies its detached signature, named like it and ".asc".
        for path in self.folder.glob(f"{PACKAGE}_*.{part}.tar.*"):
            if path.suffix != ".asc":
                return path
        raise SetupError(f"{self.folder} lacks the {part} archive: delete it, and run again")


def stored_sources(layout: Layout) -> list[Source]:
    """The sources fetched before, newest first."""
    found = []
    for folder in layout.sources.glob(f"{PACKAGE}_*"):
        version = folder.name[len(PACKAGE) + 1 :]
        found.append(Source(version=version, folder=folder))
    return sorted(found, key=lambda source: _version_key(source.version), reverse=True)


def fetch_source(layout: Layout, runner: Runner) -> Source:
    """The current source package, fetched into the cache.

    Call with the cache's lock held. Raises ``SetupError`` without apt, without a Debian mirror in
    the machine's sources, without network, and when a signature does not verify.
    """
    if shutil.which("apt-get") is None:
        raise SetupError(
            "no free-threaded CPython was found and this system has no apt to fetch one: "
            + OTHER_WAYS
        )
    mirrors = read_mirrors(_machine_sources(runner))
    if not mirrors:
        raise SetupError(
            "no free-threaded CPython was found and the machine's apt sources name no Debian "
            f"mirror to fetch one from: {OTHER_WAYS}"
        )
    for number, mirror in enumerate(mirrors[:MIRROR_LIMIT], start=1):
        try:
            return _fetch(mirror, layout, runner)
        except SetupError:
            if number == min(len(mirrors), MIRROR_LIMIT):
                raise
            runner.console.say("that mirror does not have it; trying the next of the apt sources")
    raise AssertionError("unreachable: the last mirror returns or raises")


def _machine_sources(runner: Runner) -> list[Path]:
    """The files that apt reads its sources from, wherever the machine's configuration puts them."""
    shell = runner.output_of(
        [
            "apt-config",
            "shell",
            "LIST",
            "Dir::Etc::sourcelist/f",
            "PARTS",
            "Dir::Etc::sourceparts/d",
        ]
    )
    named = dict(word.split("=", 1) for word in shlex.split(shell) if "=" in word)
    files = [Path(named.get("LIST", "/etc/apt/sources.list"))]
    parts = Path(named.get("PARTS", "/etc/apt/sources.list.d"))
    if parts.is_dir():
        files += sorted(path for path in parts.iterdir() if path.suffix in {".list", ".sources"})
    return files


def _fetch(mirror: Mirror, layout: Layout, runner: Runner) -> Source:
    state = layout.cache / "apt"
    shutil.rmtree(state, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "sources", "preferences"):
        (state / name).mkdir(parents=True)
    (state / "sources" / "ftbridge.sources").write_text(
        source_stanza(mirror, suite=SUITE), encoding="utf-8"
    )
    options = private_options(state)
    incoming = layout.sources / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    with runner.console.step(f"fetching CPython's source ({PACKAGE} of Debian {SUITE})") as step:
        runner.run_in(
            step,
            ["apt-get", *options, "update"],
            environment=clean_environment(),
            advice=f"the machine's Debian mirror has no source index of {SUITE}; {OTHER_WAYS}",
            timeout=APT_TIMEOUT_SECONDS,
        )
        runner.run_in(
            step,
            ["apt-get", *options, "source", "--download-only", "--only-source", PACKAGE],
            cwd=incoming,
            environment=clean_environment(),
            advice=f"apt could not fetch the source package {PACKAGE}; {OTHER_WAYS}",
            timeout=APT_TIMEOUT_SECONDS,
        )
    source = _store(incoming, layout)
    shutil.rmtree(state, ignore_errors=True)
    return source


def private_options(state: Path) -> list[str]:
    """apt options that move all it reads of sources and all it writes into ``state``.

    Proxies, credentials, certificates and keyrings remain the machine's. Verification cannot be
    switched off by the machine's configuration.
    """
    settings = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Dir::Etc::sourcelist": os.devnull,
        "Dir::Etc::sourceparts": state / "sources",
        "Dir::Etc::preferences": os.devnull,
        "Dir::Etc::preferencesparts": state / "preferences",
        # apt drops root for a user of its own who may not enter the cache folder.
        "APT::Sandbox::User": "",
        # By default a failed download of an index only warns.
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "quiet": "1",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _store(incoming: Path, layout: Layout) -> Source:
    """Moves the complete download to its place in one step."""
    descriptions = list(incoming.glob(f"{PACKAGE}_*.dsc"))
    version = ""
    if descriptions:
        found = re.search(r"^Version: *(\S+)", descriptions[0].read_text("utf-8"), re.MULTILINE)
        version = found[1] if found else ""
    if not version:
        raise SetupError(f"apt fetched no source package {PACKAGE} from the mirror: {OTHER_WAYS}")
    source = Source(version=version, folder=layout.sources / f"{PACKAGE}_{version}")
    shutil.rmtree(source.folder, ignore_errors=True)
    incoming.rename(source.folder)
    return source


def _version_key(version: str) -> list[tuple[int, int, str]]:
    """Orders Debian versions of one package well enough: numbers by value, text by letters."""
    words = re.findall(r"\d+|[^\d]+", version)
    return [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in words]
