"""The GIL guard: with a simulated GIL, and with real extension modules in child processes."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import threading
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from ftbridge.guard import ExtensionLoad, GilEnabledError, GilGuard, GilTrip, ImportSite, Phase
from ftbridge.guard.declared import declares_gil_free
from ftbridge.guard.tracker import ExtensionTracker

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
needs_free_threading = pytest.mark.skipif(
    not FREE_THREADED, reason="this build of Python always has the GIL"
)

# --- a simulated GIL ------------------------------------------------------------------------------


class FakeGil:
    """Stands in for `sys._is_gil_enabled`, and for CPython's create_module."""

    def __init__(self) -> None:
        self.permanent = False
        self.transient = 0
        self.lock = threading.Lock()

    def enabled(self) -> bool:
        return self.permanent or self.transient > 0


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeGil:
    """A GIL, and extension modules whose name says what creating them does to it."""
    gil = FakeGil()

    def create_module(loader: ExtensionFileLoader, spec: ModuleSpec) -> ModuleType:
        with gil.lock:
            gil.transient += 1
        if isinstance(spec.loader_state, Gates):
            spec.loader_state.entered.set()
            assert spec.loader_state.go.wait(10)
        with gil.lock:
            gil.transient -= 1
            gil.permanent = gil.permanent or "unsafe" in spec.name
        if "raising" in spec.name:
            raise RuntimeWarning("the GIL has been enabled")
        return ModuleType(spec.name)

    monkeypatch.setattr(ExtensionFileLoader, "create_module", create_module)
    return gil


class Gates:
    """Holds a creation up, so that two overlap."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()


def create(name: str, gates: Gates | None = None) -> None:
    """What the import system does for an extension module."""
    loader = ExtensionFileLoader(name, f"/lib/{name}.so")
    spec = ModuleSpec(name, loader, origin=f"/lib/{name}.so", loader_state=gates)
    ExtensionFileLoader.create_module(loader, spec)


def create_all(*names: str) -> None:
    """One after the other."""
    for name in names:
        create(name)


def create_while_another_is_created(name: str, other: str) -> None:
    """`name` begins after `other` has begun, and ends before it ends."""
    gates = Gates()
    thread = threading.Thread(target=create, args=(other, gates))
    thread.start()
    assert gates.entered.wait(10)
    create(name)
    gates.go.set()
    thread.join()


def make_guard(fake: FakeGil, **options: object) -> GilGuard:
    return GilGuard(
        extension_tracker=ExtensionTracker(fake.enabled),
        is_gil_enabled=fake.enabled,
        free_threaded_build=True,
        **options,  # type: ignore[arg-type]
    )


def test_loading_names_the_module_that_switched_the_gil_on(fake: FakeGil) -> None:
    guard = make_guard(fake)
    with pytest.raises(GilEnabledError) as caught, guard.loading():
        create_all("safe_a", "unsafe_b", "unsafe_c")  # the last finds the GIL on already
    assert caught.value.trip.modules == ("unsafe_b",)
    assert caught.value.trip.phase is Phase.LOADING
    assert "/lib/unsafe_b.so" in str(caught.value)
    assert "--allow-gil" in str(caught.value)
    assert "PYTHON_GIL=0" in str(caught.value)


def test_loading_passes_where_every_module_is_safe(fake: FakeGil) -> None:
    guard = make_guard(fake)
    with guard.loading():
        create("safe_a")
    assert guard.trip is None
    assert guard.check()


def test_the_gil_that_every_creation_switches_on_for_a_moment_is_no_trip(fake: FakeGil) -> None:
    guard = make_guard(fake)
    guard.watch()
    gates = Gates()
    thread = threading.Thread(target=create, args=("safe_slow", gates))
    thread.start()
    assert gates.entered.wait(10)
    assert fake.enabled()
    assert guard.check()
    assert guard.check()
    gates.go.set()
    thread.join()
    assert guard.check()
    assert guard.trip is None
    guard.unwatch()


def test_overlapping_creations_are_judged_when_the_last_has_ended(
    fake: FakeGil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ftbridge.guard.declared.declares_gil_free", lambda module: "unsafe" not in module.__name__
    )
    trips: list[GilTrip] = []
    guard = make_guard(fake, on_trip=trips.append)
    guard.watch()
    gates = Gates()
    thread = threading.Thread(target=create, args=("safe_slow", gates))
    thread.start()
    assert gates.entered.wait(10)
    create("safe_first")
    create("unsafe_b")
    assert trips == []  # safe_slow is still being created: the GIL would be on in any case
    gates.go.set()
    thread.join()
    guard.unwatch()
    assert [trip.modules for trip in trips] == [("unsafe_b",)]


def test_overlapping_creations_that_cannot_be_told_apart_are_all_named(
    fake: FakeGil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftbridge.guard.declared.declares_gil_free", lambda module: None)
    guard = make_guard(fake)
    with pytest.raises(GilEnabledError, match="one of these modules") as caught, guard.loading():
        create_while_another_is_created("unsafe_b", "safe_slow")
    assert set(caught.value.trip.modules) == {"safe_slow", "unsafe_b"}


def test_an_import_that_fails_because_of_the_gil_is_still_named(fake: FakeGil) -> None:
    guard = make_guard(fake)
    with pytest.raises(GilEnabledError) as caught, guard.loading():
        create("unsafe_raising")
    assert caught.value.trip.modules == ("unsafe_raising",)
    assert isinstance(caught.value.__cause__, RuntimeWarning)


def test_an_error_of_the_adapter_passes_when_the_gil_is_off(fake: FakeGil) -> None:
    guard = make_guard(fake)
    with pytest.raises(ZeroDivisionError), guard.loading():
        raise ZeroDivisionError
    assert guard.trip is None


def test_while_serving_a_trip_is_reported_and_logged_once(
    fake: FakeGil, caplog: pytest.LogCaptureFixture
) -> None:
    trips: list[GilTrip] = []
    guard = make_guard(fake, on_trip=trips.append)
    guard.watch()
    assert guard.check()
    with caplog.at_level(logging.DEBUG, "ftbridge.guard"):
        create("unsafe_a")
        create("unsafe_b")
        assert not guard.check()
        assert not guard.check()
    guard.unwatch()
    assert [trip.modules for trip in trips] == [("unsafe_a",)]
    assert trips[0].phase is Phase.SERVING
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "unsafe_a" in caplog.text


def test_a_failing_callback_does_not_come_out_of_the_import(
    fake: FakeGil, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(trip: GilTrip) -> None:
        raise KeyError(trip)

    guard = make_guard(fake, on_trip=broken)
    guard.watch()
    create("unsafe_a")
    guard.unwatch()
    assert "on_trip failed" in caplog.text
    assert not guard.check()


def test_check_finds_what_came_past_the_hook_at_the_second_look(fake: FakeGil) -> None:
    trips: list[GilTrip] = []
    guard = make_guard(fake, on_trip=trips.append)
    guard.watch()
    fake.permanent = True
    assert guard.check()  # may be an import of the moment
    fake.permanent = False
    assert guard.check()  # it was
    fake.permanent = True
    assert guard.check()
    assert not guard.check()
    assert len(trips) == 1
    guard.unwatch()


def test_allow_gil_serves_and_says_so_loudly(
    fake: FakeGil, caplog: pytest.LogCaptureFixture
) -> None:
    trips: list[GilTrip] = []
    guard = make_guard(fake, allow_gil=True, on_trip=trips.append)
    with guard.loading():
        create("unsafe_a")
    guard.check_start()
    assert guard.check()
    assert trips == []
    assert guard.trip is not None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "unsafe_a" in caplog.text
    assert guard.describe() == "on (allowed by --allow-gil)"


def test_a_build_with_the_gil_runs_everything_and_says_so() -> None:
    guard = GilGuard(free_threaded_build=False, is_gil_enabled=lambda: True)
    before = ExtensionFileLoader.create_module
    guard.check_start()
    with guard.loading():
        assert ExtensionFileLoader.create_module is before
    guard.watch()
    assert guard.check()
    guard.unwatch()
    assert "always has it" in guard.describe()


def test_the_hook_is_gone_when_nobody_watches(fake: FakeGil) -> None:
    before = ExtensionFileLoader.create_module
    tracker = ExtensionTracker(fake.enabled)
    first, second = (
        GilGuard(extension_tracker=tracker, is_gil_enabled=fake.enabled, free_threaded_build=True)
        for _ in range(2)
    )
    first.watch()
    with second.loading():
        assert ExtensionFileLoader.create_module is not before
    assert ExtensionFileLoader.create_module is not before  # the first still watches
    first.unwatch()
    assert ExtensionFileLoader.create_module is before
    first.unwatch()  # again: nothing to do


def test_two_guards_both_hear_of_it(fake: FakeGil) -> None:
    tracker = ExtensionTracker(fake.enabled)
    guards = [
        GilGuard(extension_tracker=tracker, is_gil_enabled=fake.enabled, free_threaded_build=True)
        for _ in range(2)
    ]
    for guard in guards:
        guard.watch()
    create("unsafe_a")
    for guard in guards:
        guard.unwatch()
        assert guard.trip is not None
        assert guard.trip.modules == ("unsafe_a",)


def test_the_message_lists_the_imports_innermost_first() -> None:
    chain = (ImportSite("app", "/app.py", 3), ImportSite("pkg.sub", "/pkg/sub.py", 7))
    load = ExtensionLoad(module="pkg._c", file="/pkg/_c.so", chain=chain)
    text = GilTrip(phase=Phase.LOADING, culprits=(load,)).describe()
    assert text.index("/pkg/sub.py:7") < text.index("/app.py:3")


# --- real extension modules -----------------------------------------------------------------------

SOURCE = r"""
#include <Python.h>

#define JOIN(a, b) a##b
#define INIT(name) JOIN(PyInit_, name)
#define STRING_(name) #name
#define STRING(name) STRING_(name)
#define DEF(size, slots) {PyModuleDef_HEAD_INIT, STRING(NAME), NULL, size, NULL, slots}

#ifdef NESTED  /* single-phase, undeclared; imports a declared one from within its init function */
static PyModuleDef def = DEF(-1, NULL);
PyMODINIT_FUNC INIT(NAME)(void)
{
    PyObject *inner = PyImport_ImportModule("gs_safe");
    if (inner == NULL) { return NULL; }
    Py_DECREF(inner);
    return PyModule_Create(&def);
}
#else
static PyModuleDef_Slot slots[] = {
#if defined(SAFE) && defined(Py_mod_gil)
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}
};
static PyModuleDef def = DEF(0, slots);
PyMODINIT_FUNC INIT(NAME)(void) { return PyModuleDef_Init(&def); }
#endif
"""

MODULES = {"gs_safe": ["-DSAFE"], "gs_unsafe": [], "gs_other": [], "gs_nested": ["-DNESTED"]}


@pytest.fixture(scope="session")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small extension modules, and a package that imports one of them deep down."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    include = Path(sysconfig.get_path("include"))
    if compiler is None:
        pytest.skip("no C compiler to make an extension module with")
    if not (include / "Python.h").exists():
        pytest.skip(f"no Python.h in {include}")
    folder = tmp_path_factory.mktemp("extensions")
    source = folder / "module.c"
    source.write_text(SOURCE)
    for name, flags in MODULES.items():
        target = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        command = [compiler, "-shared", "-fPIC", f"-I{include}", f"-DNAME={name}", *flags]
        subprocess.run([*command, str(source), "-o", str(target)], check=True, timeout=60)
    package = folder / "gs_package"
    package.mkdir()
    (package / "__init__.py").write_text("import gs_safe\nfrom gs_package import deep\n")
    (package / "deep.py").write_text("x = 1\n\nimport gs_unsafe\n")
    return folder


def run(folder: Path, code: str, *flags: str, **environment: str) -> dict[str, object]:
    """Run `code` in a child; the JSON of its last line."""
    prelude = "import json, sys\nfrom ftbridge.guard import *\n"
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHON_GIL"}
    child = subprocess.run(
        [sys.executable, *flags, "-c", prelude + textwrap.dedent(code)],
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode == 0, child.stderr
    answer = json.loads(child.stdout.splitlines()[-1])
    assert isinstance(answer, dict)
    return {**answer, "stderr": child.stderr}


LOADING = """
    guard = GilGuard()
    guard.check_start()
    try:
        with guard.loading():
            import {module}
    except GilEnabledError as error:
        [load] = error.trip.culprits
        print(json.dumps({{"module": load.module, "file": load.file, "text": str(error),
                          "chain": [[site.module, site.line] for site in load.chain]}}))
    else:
        print(json.dumps({{"module": None, "describe": guard.describe()}}))
"""


@needs_free_threading
def test_a_real_module_is_named_with_its_file_and_the_imports(extensions: Path) -> None:
    answer = run(extensions, LOADING.format(module="gs_package"))
    assert answer["module"] == "gs_unsafe"
    assert str(answer["file"]).startswith(str(extensions / "gs_unsafe"))
    assert answer["chain"] == [["__main__", 8], ["gs_package", 2], ["gs_package.deep", 3]]
    assert f"gs_package.deep ({extensions / 'gs_package' / 'deep.py'}:3)" in str(answer["text"])
    assert "GIL) has been enabled to load module 'gs_unsafe'" in str(answer["stderr"])


@needs_free_threading
def test_a_real_declared_module_passes(extensions: Path) -> None:
    answer = run(extensions, LOADING.format(module="gs_safe"))
    assert answer["module"] is None
    assert answer["describe"] == "off"


@needs_free_threading
def test_a_module_that_imports_a_safe_one_from_its_init_function_is_told_apart(
    extensions: Path,
) -> None:
    answer = run(extensions, LOADING.format(module="gs_nested"))
    assert answer["module"] == "gs_nested"


@needs_free_threading
def test_warnings_as_errors_do_not_hide_the_module(extensions: Path) -> None:
    answer = run(extensions, LOADING.format(module="gs_package"), "-W", "error")
    assert answer["module"] == "gs_unsafe"


@needs_free_threading
def test_a_tool_that_imports_lazily_while_serving_is_found_out(extensions: Path) -> None:
    code = """
        import threading
        tripped = threading.Event()
        guard = GilGuard(on_trip=lambda trip: tripped.set())
        guard.watch()
        before = guard.check()
        def tool():
            import gs_safe
            import gs_unsafe
        thread = threading.Thread(target=tool)
        thread.start()
        thread.join()
        [load] = guard.trip.culprits
        print(json.dumps({"before": before, "after": guard.check(), "module": load.module,
                          "tripped": tripped.is_set(), "phase": guard.trip.phase.name}))
    """
    answer = run(extensions, code)
    assert answer["module"] == "gs_unsafe"
    assert answer["phase"] == "SERVING"
    assert (answer["before"], answer["tripped"], answer["after"]) == (True, True, False)


@needs_free_threading
def test_a_module_imported_before_the_guard_is_named_at_the_start(extensions: Path) -> None:
    code = """
        import gs_safe, gs_unsafe, gs_other
        guard = GilGuard()
        try:
            guard.check_start()
        except GilEnabledError as error:
            print(json.dumps({"modules": error.trip.modules, "phase": error.trip.phase.name}))
    """
    answer = run(extensions, code)
    assert answer["modules"] == ["gs_unsafe"]
    assert answer["phase"] == "START"


@needs_free_threading
def test_threads_that_import_at_the_same_moment(extensions: Path) -> None:
    code = """
        import threading, importlib
        guard = GilGuard()
        barrier = threading.Barrier(2)
        def load(name):
            barrier.wait()
            importlib.import_module(name)
        try:
            with guard.loading():
                threads = [threading.Thread(target=load, args=[name])
                           for name in ("gs_safe", "gs_unsafe")]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
        except GilEnabledError as error:
            print(json.dumps({"modules": error.trip.modules}))
    """
    for _ in range(5):
        assert run(extensions, code)["modules"] == ["gs_unsafe"]


@needs_free_threading
def test_the_gil_forced_on_is_no_modules_fault() -> None:
    code = """
        try:
            GilGuard().check_start()
        except GilEnabledError as error:
            print(json.dumps({"forced": error.trip.forced, "modules": error.trip.modules}))
    """
    assert run(Path(), code, PYTHON_GIL="1")["forced"] == "PYTHON_GIL=1"
    assert run(Path(), code, "-X", "gil=1")["forced"] == "-X gil=1"


@needs_free_threading
def test_the_gil_forced_off_stays_off_and_is_mentioned(extensions: Path) -> None:
    answer = run(extensions, LOADING.format(module="gs_package"), PYTHON_GIL="0")
    assert answer["module"] is None
    assert "forced" in str(answer["describe"])


@pytest.mark.skipif(FREE_THREADED, reason="for builds that always have the GIL")
def test_on_a_gil_build_every_module_loads(extensions: Path) -> None:
    answer = run(extensions, LOADING.format(module="gs_package"))
    assert answer["module"] is None
    assert "always has it" in str(answer["describe"])


@needs_free_threading
def test_declarations_are_read_from_this_interpreters_modules() -> None:
    assert declares_gil_free(sys.modules["_thread"]) is True
    assert declares_gil_free(ModuleType("undeclared")) is False
    assert declares_gil_free(object()) is False


@pytest.mark.skipif(FREE_THREADED, reason="for builds that always have the GIL")
def test_declarations_are_not_known_on_a_gil_build() -> None:
    assert declares_gil_free(sys.modules["_thread"]) is None
