"""Tests of ``tools.setup_lib.relock``, and of the lock files that it wrote."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.tools.fake_machine import REPOSITORY, Machine
from tools.setup_lib.errors import SetupError
from tools.setup_lib.relock import inputs_digest, relock, targets

REQUIREMENTS = REPOSITORY / "tools" / "requirements"
ENTRY = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[0-9][0-9a-z.]*)(?P<hashes>.*)")


def read_lock(name: str) -> dict[str, tuple[str, list[str]]]:
    """Each package with its version and hashes; fails on anything else in the file."""
    text = (REQUIREMENTS / name).read_text("utf-8").replace("\\\n", "")
    packages = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        entry = ENTRY.fullmatch(line)
        assert entry is not None, line
        hashes = entry["hashes"].split()
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", value) for value in hashes), line
        packages[entry["name"]] = (entry["version"], hashes)
    return packages


def inputs() -> dict[str, list[str]]:
    content = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    groups = content["dependency-groups"]
    return {
        "common.lock": [
            *content["project"]["dependencies"],
            *groups["test"],
            *content["build-system"]["requires"],
        ],
        "gil.lock": groups["gil"],
    }


@pytest.mark.parametrize("name", ["common.lock", "gil.lock"])
def test_the_lock_is_current_and_whole(name: str) -> None:
    requirements = inputs()[name]
    text = (REQUIREMENTS / name).read_text("utf-8")
    assert f"# inputs: {inputs_digest(requirements)}\n" in text, "run tools/setup --lock"
    locked = read_lock(name)
    for requirement in requirements:
        found = re.match(r"[A-Za-z0-9-]+", requirement)
        assert found is not None
        assert found[0].lower() in locked
    assert all(hashes for _, hashes in locked.values())


def test_no_index_is_named_in_a_lock() -> None:
    for name in ("common.lock", "gil.lock"):
        text = (REQUIREMENTS / name).read_text("utf-8")
        assert "://" not in text
        assert "index-url" not in text


def test_what_both_locks_need_is_locked_once() -> None:
    assert not read_lock("common.lock").keys() & read_lock("gil.lock").keys()


def test_numpy_has_a_wheel_for_each_target() -> None:
    """Eight: two versions of CPython, with the GIL and without, on two kinds of machine."""
    _, hashes = read_lock("common.lock")["numpy"]
    wanted = targets(free_threaded=True) + targets(free_threaded=False)
    assert len(set(hashes)) == len(wanted) == 8


PIP = r"""
case "$*" in
*"config get"*) exit 1 ;;
*--dry-run*)
    for word; do case "$word" in --report=*) report=${word#--report=};; esac; done
    echo "$PIP_FIND_LINKS|$PIP_EXTRA_INDEX_URL|$PIP_CONFIG_FILE" >> "@CALLS@"
    printf '{"install": [{"metadata": {"name": "Some.Thing", "version": "1.0"},' > "$report"
    printf '"download_info": {"url": "@URL@", "archive_info":' >> "$report"
    printf '{"hashes": {"sha256": "%s"}}}}]}' "$(printf '%064d' 7)" >> "$report"
    ;;
esac
"""
INPUTS = '{"common": ["some-thing"], "gil": ["other"]}'


def resolver(machine: Machine, url: str) -> None:
    path = machine.python("python3.13t", pip=PIP.replace("@URL@", url))
    # The same program answers the question for pyproject.toml's requirements.
    path.write_text(
        path.read_text("utf-8")
        .replace("@CALLS@", str(machine.calls))
        .replace('case "$*" in\n', f"case \"$*\" in\n*pyproject.toml) echo '{INPUTS}' ;;\n", 1)
    )


def test_locking(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/somewhere")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///somewhere")
    resolver(machine, "https://index.example/some_thing.whl")
    relock(machine.layout, machine.runner())
    text = (machine.layout.requirements / "common.lock").read_text("utf-8")
    assert f"some-thing==1.0 \\\n    --hash=sha256:{7:064d}\n" in text
    # In the twin's lock only what the common one lacks.
    assert "some-thing" not in (machine.layout.requirements / "gil.lock").read_text("utf-8")
    assert {line for line in machine.lines() if "|" in line} == {"||/dev/null"}


def test_a_local_file_is_not_locked(machine: Machine) -> None:
    resolver(machine, "file:///somewhere/some_thing.whl")
    before = (machine.layout.requirements / "common.lock").read_text("utf-8")
    with pytest.raises(SetupError, match=r"some-thing 1\.0 came from file:///somewhere"):
        relock(machine.layout, machine.runner())
    assert (machine.layout.requirements / "common.lock").read_text("utf-8") == before
    assert not Path(machine.layout.cache / "relock").exists()
