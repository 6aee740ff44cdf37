"""Finding this interpreter's twin, and saying what to do where there is none."""

import dataclasses
import sys
import sysconfig
from pathlib import Path

import pytest

from ftbridge import builds
from ftbridge.builds import Build, BuildError, find, probe

FREE = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def fake(python: Path) -> Build:
    return Build(
        python=python,
        version="3.13.5",
        free_threaded="gil" not in str(python),
        optimised=True,
        ftbridge="bare" not in str(python),
    )


def test_this_interpreter_says_what_it_is():
    build = probe(Path(sys.executable))
    assert build.free_threaded is FREE
    assert build.ftbridge
    assert build.version == ".".join(map(str, sys.version_info[:3]))
    assert find(free_threaded=FREE) == build


def test_the_given_one_comes_first(monkeypatch):
    monkeypatch.setenv(builds.GIL_VARIABLE, "/x/gil/python")
    assert find(free_threaded=False, given=Path("/y/gil"), ask=fake).python == Path("/y/gil")


def test_then_the_variables(monkeypatch):
    monkeypatch.setattr(builds.sysconfig, "get_config_var", lambda name: 1)
    monkeypatch.setenv(builds.GIL_VARIABLE, "/x/gil/python")
    assert find(free_threaded=False, ask=fake).python == Path("/x/gil/python")


def test_then_the_environment_beside_this_one(tmp_path, monkeypatch):
    monkeypatch.delenv(builds.GIL_VARIABLE, raising=False)
    monkeypatch.setattr(builds.sysconfig, "get_config_var", lambda name: 1)
    monkeypatch.setattr(builds.sys, "prefix", str(tmp_path / ".venv"))
    with pytest.raises(BuildError, match=r"no build with the GIL .*--gil-python or FTBRIDGE_GIL"):
        find(free_threaded=False, ask=fake)
    python = tmp_path / ".venv-gil/bin/python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert find(free_threaded=False, ask=fake).python == python


def test_the_other_build_is_refused():
    with pytest.raises(BuildError, match="/x/python is a free-threaded build, not a build with"):
        find(free_threaded=False, given=Path("/x/python"), ask=fake)
    with pytest.raises(
        BuildError, match=r"is a build with the GIL, not a free-threaded .*--python"
    ):
        find(free_threaded=True, given=Path("/x/gil"), ask=fake)


def test_one_without_ftbridge_is_refused():
    with pytest.raises(BuildError, match="/bare/gil has no ftbridge: install it there"):
        find(free_threaded=False, given=Path("/bare/gil"), ask=fake)


def test_what_is_no_python_is_refused(tmp_path):
    with pytest.raises(BuildError, match="does not run: No such file"):
        probe(tmp_path / "missing")
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho hello\n")
    other.chmod(0o755)
    with pytest.raises(BuildError, match="is no Python that answers: 'hello"):
        probe(other)


def test_a_build_in_words():
    build = fake(Path("/x"))
    assert str(build) == "CPython 3.13.5 free-threaded, PGO"
    assert str(dataclasses.replace(build, free_threaded=False, optimised=False)) == (
        "CPython 3.13.5 with the GIL"
    )
