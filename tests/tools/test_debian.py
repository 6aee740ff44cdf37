"""Tests of ``tools.setup_lib.debian``, with an apt that notes what it is asked."""

import pytest

from tests.tools.fake_machine import Machine
from tools.setup_lib.debian import Source, fetch_source, private_options, stored_sources
from tools.setup_lib.errors import SetupError


def test_fetching(machine: Machine) -> None:
    machine.debian(version="3.13.5-2+deb13u5")
    source = fetch_source(machine.layout, machine.runner())
    assert source.version == "3.13.5-2+deb13u5"
    assert source.python_version == "3.13.5"
    assert source.original.name == "python3.13_3.13.5.orig.tar.xz"
    assert source.changes.name == "python3.13_3.13.5-2+deb13u5.debian.tar.xz"
    assert stored_sources(machine.layout) == [source]
    assert not (machine.layout.cache / "apt").exists()


def test_the_machines_own_apt_state_is_not_used(machine: Machine) -> None:
    machine.debian()
    fetch_source(machine.layout, machine.runner())
    calls = machine.lines()
    assert [line.split()[-1] for line in calls] == ["update", "python3.13"]
    private = str(machine.layout.cache / "apt")
    for line in calls:
        for option in ("Dir::State", "Dir::State::lists", "Dir::Cache", "Dir::Etc::sourceparts"):
            assert f"-o {option}={private}" in line
        assert "-o Dir::Etc::sourcelist=/dev/null" in line
        assert "-o Acquire::AllowInsecureRepositories=false" in line
        assert "-o APT::Get::AllowUnauthenticated=false" in line


def test_the_private_source_has_the_machines_mirror(machine: Machine) -> None:
    machine.debian()
    state = machine.layout.cache / "apt" / "sources" / "ftbridge.sources"
    machine.script("apt-get", f'cat "{state}" >> "@CALLS@"; exit 1')
    with pytest.raises(SetupError):
        fetch_source(machine.layout, machine.runner())
    assert machine.lines() == [
        "Types: deb-src",
        "URIs: http://mirror.example/debian",
        "Suites: trixie",
        "Components: main",
    ]


def test_without_apt(machine: Machine) -> None:
    with pytest.raises(SetupError, match=r"this system has no apt.*FTBRIDGE_PYTHON"):
        fetch_source(machine.layout, machine.runner())


def test_a_system_that_is_not_debian(machine: Machine) -> None:
    machine.debian()
    (machine.folder / "sources.list").write_text("deb http://m.example/ubuntu noble main\n")
    with pytest.raises(SetupError, match=r"name no Debian mirror.*FTBRIDGE_PYTHON"):
        fetch_source(machine.layout, machine.runner())
    assert machine.lines() == []


def test_without_network(machine: Machine) -> None:
    machine.debian()
    machine.script("apt-get", "echo \"Temporary failure resolving 'mirror.example'\"; exit 100")
    with pytest.raises(SetupError, match=r"^no network"):
        fetch_source(machine.layout, machine.runner())
    assert stored_sources(machine.layout) == []


def test_a_bad_signature(machine: Machine) -> None:
    machine.debian()
    machine.script("apt-get", "echo 'NO_PUBKEY 6ED0E7B82643E131'; exit 100")
    with pytest.raises(SetupError, match="debian-archive-keyring"):
        fetch_source(machine.layout, machine.runner())


def test_the_next_mirror_is_tried(machine: Machine) -> None:
    machine.debian()
    good = (machine.bin / "apt-get").read_text("utf-8")
    state = machine.layout.cache / "apt" / "sources" / "ftbridge.sources"
    machine.script(
        "apt-get", f'case $(cat "{state}") in *vendor*) exit 100;; esac\n' + good.partition("\n")[2]
    )
    (machine.folder / "sources.list").write_text(
        "deb http://vendor.example/x bookworm main\n"
        "deb http://mirror.example/debian bookworm main\n"
    )
    assert fetch_source(machine.layout, machine.runner()).version == "3.13.5-2+deb13u5"
    assert "trying the next" in machine.output


def test_a_half_download_is_not_stored(machine: Machine) -> None:
    machine.debian()
    machine.script(
        "apt-get", 'case "$*" in *" source "*) touch python3.13_3.13.5.orig.tar.xz;; esac'
    )
    with pytest.raises(SetupError, match="fetched no source package"):
        fetch_source(machine.layout, machine.runner())
    assert stored_sources(machine.layout) == []


def test_a_stored_source_that_lost_a_file(machine: Machine) -> None:
    source = Source(version="3.13.5-2", folder=machine.folder)
    with pytest.raises(SetupError, match="lacks the orig archive: delete it"):
        _ = source.original


def test_the_newest_stored_source_comes_first(machine: Machine) -> None:
    for version in ("3.13.5-2", "3.13.10-1", "3.13.5-2+deb13u5"):
        (machine.layout.sources / f"python3.13_{version}").mkdir(parents=True)
    assert [source.version for source in stored_sources(machine.layout)] == [
        "3.13.10-1",
        "3.13.5-2+deb13u5",
        "3.13.5-2",
    ]


def test_options_hold_paths_with_spaces_in_one_word(machine: Machine) -> None:
    options = private_options(machine.folder)
    assert f"Dir::State={machine.folder}" in options
    assert " " in str(machine.folder)
