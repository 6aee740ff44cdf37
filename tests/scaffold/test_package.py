from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from acceptance.process import ROOT, client_python

from ftbridge.scaffold import ScaffoldError, write_package
from ftbridge.scaffold.package import check_name, class_name

LIMIT = 50  # seconds; only ever used up when something is broken

VARIANTS = {
    "plain": (False, False),
    "stream": (False, True),
    "shared": (True, False),
    "shared_stream": (True, True),
}


def run(command: Sequence[str], folder: Path) -> str:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "locks")])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "MYPYPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def parent(tmp_path_factory) -> Path:
    """Where all variants are."""
    folder = tmp_path_factory.mktemp("new")
    for name, (thread_safe, streaming) in VARIANTS.items():
        write_package(name, folder, thread_safe=thread_safe, streaming=streaming)
    return folder


@pytest.mark.parametrize("name", VARIANTS)
def test_its_own_tests_pass(parent, name):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    out = run(command, parent / name)
    thread_safe, streaming = VARIANTS[name]
    assert f"{7 + 3 * streaming + thread_safe} passed" in out


def test_they_type_check(parent):
    python = Path(client_python())
    mypy = python.with_name("mypy")
    if not mypy.exists():
        pytest.skip(f"no mypy beside {python}")
    cache = f"--cache-dir={parent / '.mypy_cache'}"
    # By itself, with its own configuration; then the others, which only differ in their content.
    assert "no issues found in 7 source files" in run([str(mypy), cache], parent / "shared_stream")
    out = run([str(mypy), cache, "--strict", *VARIANTS], parent)
    assert "no issues found in 26 source files" in out


def test_they_are_formatted_and_without_lint(parent):
    ruff = Path(client_python()).with_name("ruff")
    if not ruff.exists():
        pytest.skip(f"no ruff at {ruff}")
    run([str(ruff), "format", "--check", "--no-cache", "."], parent)
    run([str(ruff), "check", "--no-cache", "."], parent)


def test_folders_above_are_made(tmp_path):
    written = write_package("pack", tmp_path / "a/b", thread_safe=False, streaming=False)
    assert written.folder == tmp_path / "a/b/pack"
    assert written.spec == "pack.adapter.PackAdapter"
    assert (written.folder / "adapter.py").is_file()
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["pack"]


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_there_stays(tmp_path, kind):
    target = tmp_path / "pack"
    if kind == "file":
        target.write_text("mine")
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ScaffoldError, match="nothing is overwritten"):
        write_package("pack", tmp_path, thread_safe=False, streaming=False)
    assert list(tmp_path.iterdir()) == [target]
    assert kind != "file" or target.read_text() == "mine"


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def full(self: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_package("pack", tmp_path, thread_safe=False, streaming=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["demo", "my_adapter", "a1", "x" * 64])
def test_good_names(name):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("my-adapter", "'my_adapter' would do"),
        ("MyAdapter", "'my_adapter' would do"),
        ("1st", "'st' would do"),
        ("../x", "'x' would do"),
        ("", "a letter first"),
        ("é", "a letter first"),
        ("x" * 65, "at most 64"),
        ("class", "class_adapter"),
        ("match", "match_adapter"),
        ("json", "json_adapter"),
        ("ftbridge", "ftbridge_adapter"),
        ("tests", "tests_adapter"),
    ],
)
def test_bad_names_and_what_would_do(name, offer):
    with pytest.raises(ScaffoldError, match=offer):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("demo", "DemoAdapter"), ("my_adapter", "MyAdapter"), ("a_b2", "AB2Adapter")],
)
def test_class_names(name, expected):
    assert class_name(name) == expected
