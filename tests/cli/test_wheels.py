"""The doctor's search for wheels that would switch the GIL on."""

from __future__ import annotations

import importlib.metadata as metadata
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from ftbridge.cli import wheels
from ftbridge.cli.findings import Verdict
from ftbridge.cli.wheels import Outcome, Wheel

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))

SOURCE = r"""
#include <Python.h>
#include <signal.h>
#define JOIN(a, b) a##b
#define INIT(name) JOIN(PyInit_, name)
static PyModuleDef_Slot slots[] = {
#if defined(SAFE) && defined(Py_mod_gil)
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}
};
static PyModuleDef def = {PyModuleDef_HEAD_INIT, "m", NULL, 0, NULL, slots};
PyMODINIT_FUNC INIT(NAME)(void)
{
#ifdef CRASH
    raise(SIGSEGV);
#endif
    return PyModuleDef_Init(&def);
}
"""


def wheel(name: str = "pkg", **values: tuple[str, ...]) -> Wheel:
    return Wheel(
        name=name,
        version="1.0",
        packages=values.get("packages", (name,)),
        modules=values.get("modules", (f"{name}._c",)),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with installed wheels: harmless, undeclared, undeclared in a corner, crashing."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    include = Path(sysconfig.get_path("include"))
    if compiler is None:
        pytest.skip("no C compiler to make an extension module with")
    if not (include / "Python.h").exists():
        pytest.skip(f"no Python.h in {include}")
    site = tmp_path_factory.mktemp("site")
    source = site / "module.c"
    source.write_text(SOURCE)

    def install(name: str, init: str, modules: dict[str, list[str]]) -> None:
        package = site / name
        package.mkdir()
        (package / "__init__.py").write_text(init)
        record = [f"{name}/__init__.py,,"]
        for module, flags in modules.items():
            target = package / f"{module}{SUFFIX}"
            command = [compiler, "-shared", "-fPIC", f"-I{include}", f"-DNAME={module}", *flags]
            subprocess.run([*command, str(source), "-o", str(target)], check=True, timeout=60)
            record.append(f"{name}/{target.name},,")
        # A shared library that is no extension module, as wheels bring them along.
        (package / "libdata.so").write_bytes(b"\x7fELF no init function")
        record.append(f"{name}/libdata.so,,")
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text("\n".join(record) + "\n")

    install("wh_safe", "from wh_safe import _c", {"_c": ["-DSAFE"]})
    install("wh_unsafe", "print('noise')\nfrom wh_unsafe import _c", {"_c": []})
    install("wh_corner", "", {"_tests": [], "_c": ["-DSAFE"]})
    install("wh_crash", "from wh_crash import _c", {"_c": ["-DCRASH"]})
    install("wh_broken", "import no_such_module_anywhere", {"_c": ["-DSAFE"]})
    return site


def test_wheels_are_found_by_their_extension_modules(site: Path) -> None:
    distributions = list(metadata.distributions(path=[str(site)]))
    found = {w.name: w for w in wheels.installed_wheels([*distributions, *distributions])}
    assert sorted(found) == ["wh_broken", "wh_corner", "wh_crash", "wh_safe", "wh_unsafe"]
    assert found["wh_corner"].packages == ("wh_corner",)
    assert found["wh_corner"].modules == ("wh_corner._c", "wh_corner._tests")


@pytest.mark.skipif(not FREE_THREADED, reason="this build of Python always has the GIL")
def test_importing_tells_what_a_wheel_does(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHON_GIL", "0")  # must not reach the children
    found = wheels.installed_wheels(metadata.distributions(path=[str(site)]))
    outcomes = {w.name: wheels.probe(w, timeout=50) for w in found}
    assert outcomes["wh_safe"] == Outcome(wheel=outcomes["wh_safe"].wheel)
    assert outcomes["wh_unsafe"].on_import == ("wh_unsafe._c",)
    assert outcomes["wh_corner"].on_import == ()
    assert outcomes["wh_corner"].on_demand == ("wh_corner._tests",)
    assert "wh_crash crashes the interpreter (SIGSEGV)" in outcomes["wh_crash"].trouble
    assert "No module named 'no_such_module_anywhere'" in outcomes["wh_broken"].trouble


def test_a_wheel_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wh_hang.py").write_text("import threading\nthreading.Event().wait()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    outcome = wheels.probe(wheel("wh_hang"), timeout=3)
    assert outcome.trouble == "importing wh_hang takes more than 3 s"


def test_a_wheel_that_exits_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wh_exit.py").write_text("import os\nos._exit(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    outcome = wheels.probe(wheel("wh_exit"), timeout=50)
    assert outcome.trouble == "importing wh_exit ends the interpreter"


def test_findings_of_outcomes() -> None:
    found = wheels.findings(
        [
            Outcome(wheel=wheel("good")),
            Outcome(wheel=wheel("bad"), on_import=("bad._a", "bad._b", "bad._c", "bad._d")),
            Outcome(wheel=wheel("corner"), on_demand=("corner._tests",)),
            Outcome(wheel=wheel("odd"), trouble="importing odd fails"),
        ]
    )
    assert [finding.verdict for finding in found] == [
        Verdict.OK,
        Verdict.FAIL,
        Verdict.NOTE,
        Verdict.NOTE,
    ]
    assert "good 1.0" in found[0].text
    assert "bad" not in found[0].text
    assert "odd" not in found[0].text  # it could not be imported: nothing is known of it
    assert "bad._c and 1 more" in found[1].text
    assert found[1].way_out
    assert "corner._tests" in found[2].text
    assert found[3].text == "odd 1.0: importing odd fails"


def test_without_extension_modules_nothing_is_wrong() -> None:
    assert [finding.verdict for finding in wheels.findings([])] == [Verdict.OK]
