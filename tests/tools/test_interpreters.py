"""Tests of ``tools.setup_lib.interpreters``."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.tools.fake_machine import Machine
from tools.setup_lib import interpreters
from tools.setup_lib.interpreters import UnsuitableError, on_path, probe, require


def test_the_interpreter_of_this_test_is_told_truly() -> None:
    found = probe(Path(sys.executable), origin="named")
    assert found.version == sys.version_info[:3]
    assert found.free_threaded is bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    # Also from a virtual environment it is the base that is named.
    assert sys.prefix == sys.base_prefix or not found.path.is_relative_to(sys.prefix)
    assert require(found, free_threaded=found.free_threaded) == found


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"missing": ("ssl", "zlib")}, "lacks the standard modules ssl, zlib"),
        ({"implementation": "pypy"}, "is pypy, not CPython"),
        ({"version": (3, 12, 9)}, "is 3.12.9, older than 3.13"),
        ({"free_threaded": False}, "is 3.13.5, a build with the GIL"),
    ],
)
def test_unsuitable(machine: Machine, answer: dict[str, object], reason: str) -> None:
    path = machine.python("python3.13t", **answer)  # type: ignore[arg-type]
    with pytest.raises(UnsuitableError, match=f"^{reason}$"):
        require(probe(path, origin="path"), free_threaded=True)


def test_a_free_threaded_build_is_no_twin(machine: Machine) -> None:
    with pytest.raises(UnsuitableError, match="a free-threaded build"):
        require(probe(machine.python("python3.13"), origin="path"), free_threaded=False)


def test_what_is_no_python(machine: Machine) -> None:
    wrapper = machine.script("python3.13t", "echo 'no version is set'; exit 127")
    with pytest.raises(UnsuitableError, match="is not a working Python"):
        probe(wrapper, origin="path")
    with pytest.raises(UnsuitableError, match="cannot be started"):
        probe(machine.folder / "missing", origin="path")


def test_one_that_hangs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "PROBE_TIMEOUT_SECONDS", 0.01)
    with pytest.raises(UnsuitableError, match="does not answer within"):
        probe(machine.script("python3.13t", "exec sleep 600"), origin="path")


def test_an_active_virtual_environment_leads_to_its_base(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    inside = probe(folder / "bin" / "python", origin="path")
    assert not inside.path.is_relative_to(folder)


def test_on_path_skips_the_checkout_and_what_is_no_program(machine: Machine) -> None:
    ours = machine.layout.root / ".venv" / "bin"
    ours.mkdir(parents=True)
    (machine.bin / "python3.13t").mkdir()
    plain = machine.folder / "plain"
    good = machine.folder / "good"
    for folder, mode in ((plain, 0o644), (good, 0o755), (ours, 0o755)):
        folder.mkdir(exist_ok=True)
        (folder / "python3.13t").touch()
        (folder / "python3.13t").chmod(mode)
    search_path = ":".join(map(str, (ours, machine.bin, plain, good, "/nonexistent")))
    found = list(on_path("python3.13t", search_path, excluded=machine.layout.root))
    assert found == [good / "python3.13t"]
