"""Snakepit's import names: ours while adapters are loaded, nobody's otherwise."""

import importlib
import subprocess
import sys
import threading
from importlib.util import find_spec

import pytest

import ftbridge
from ftbridge.adapters.errors import AdapterLoadError
from ftbridge.adapters.tracking import RequestTracker
from ftbridge.compat import imports, logs
from ftbridge.compat.names import MODULES, PACKAGE

GUIDE_ADAPTER = """
from snakepit_bridge.base_adapter import BaseAdapter, tool
from snakepit_bridge.base_adapter_threaded import ThreadSafeAdapter, thread_safe_method
from snakepit_bridge.adapters.showcase.tool import StreamChunk

class Guide(BaseAdapter):
    @tool(description="Add")
    def add(self, a: float, b: float) -> float:
        return a + b

class Shared(ThreadSafeAdapter):
    __thread_safe__ = True
"""


@pytest.fixture
def names(monkeypatch):
    """The names installed, and out again."""
    monkeypatch.delenv(imports.MODE_VARIABLE, raising=False)
    imports.uninstall()
    assert imports.install()
    yield
    imports.uninstall()


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """Nothing installed; a folder on the path for adapters and for a real package."""
    monkeypatch.delenv(imports.MODE_VARIABLE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    imports.uninstall()
    before = set(sys.modules)
    yield tmp_path
    imports.uninstall()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def real_package(folder):
    """What an installed Snakepit looks like to the import system."""
    root = folder / PACKAGE
    (root / "adapters" / "showcase").mkdir(parents=True)
    (root / "__init__.py").write_text("REAL = True\n")
    (root / "base_adapter.py").write_text(
        "class BaseAdapter: pass\ndef tool(**k): return lambda f: f\n"
    )
    (root / "extras.py").write_text(
        "from snakepit_bridge.base_adapter import BaseAdapter\nREAL = True\n"
    )
    (root / "zero_copy.py").write_text("class ZeroCopyRef: pass\n")
    (root / "adapters" / "__init__.py").write_text("")
    (root / "adapters" / "showcase" / "__init__.py").write_text(
        "from snakepit_bridge.base_adapter import BaseAdapter, tool\n"
        "class ShowcaseAdapter(BaseAdapter):\n"
        "    @tool(description='x')\n"
        "    def ping(self): return 'pong'\n"
    )


@pytest.mark.parametrize(
    ("module", "name", "ours"),
    [
        ("base_adapter", "BaseAdapter", ftbridge.BaseAdapter),
        ("base_adapter", "tool", ftbridge.tool),
        ("base_adapter", "StreamChunk", ftbridge.StreamChunk),
        ("base_adapter_threaded", "ThreadSafeAdapter", ftbridge.ThreadSafeAdapter),
        ("base_adapter_threaded", "thread_safe_method", ftbridge.thread_safe_method),
        ("session_context", "SessionContext", ftbridge.SessionContext),
        ("adapters.base", "BaseAdapter", ftbridge.BaseAdapter),
        ("adapters.showcase.tool", "StreamChunk", ftbridge.StreamChunk),
        ("logging_config", "get_logger", logs.get_logger),
    ],
)
def test_a_name_is_the_very_object_of_ftbridge(names, module, name, ours):
    assert getattr(importlib.import_module(f"{PACKAGE}.{module}"), name) is ours


@pytest.mark.parametrize(
    "module",
    sorted(name for name, m in MODULES.items() if not m.mirrors or find_spec(m.mirrors)),
)
def test_every_name_on_offer_exists(names, module):
    found = importlib.import_module(module)
    assert all(getattr(found, name) is not None for name in found.__all__)
    assert set(found.__all__) <= set(dir(found))


def test_names_of_the_package_itself(names):
    from snakepit_bridge import BaseAdapter, SessionContext, __version__, tool

    assert (BaseAdapter, SessionContext, tool) == (
        ftbridge.BaseAdapter,
        ftbridge.SessionContext,
        ftbridge.tool,
    )
    assert __version__ == ftbridge.__version__


def test_a_star_import_gives_the_guide_its_stream_chunk(names):
    namespace: dict[str, object] = {}
    exec("from snakepit_bridge.base_adapter import *", namespace)
    assert namespace["StreamChunk"] is ftbridge.StreamChunk
    assert namespace["tool"] is ftbridge.tool


def test_submodules_are_attributes_of_the_package(names):
    package = importlib.import_module(PACKAGE)
    assert package.base_adapter.BaseAdapter is ftbridge.BaseAdapter


@pytest.mark.parametrize(
    ("statement", "way_out"),
    [
        ("from snakepit_bridge import HeartbeatClient", "watches its host by itself"),
        ("from snakepit_bridge.zero_copy import ZeroCopyRef", "numpy"),
        ("from snakepit_bridge.serialization import TypeSerializer", "plain values"),
        ("from snakepit_bridge.base_adapter_threaded import RequestTracker", "track_request"),
        ("from snakepit_bridge.thread_safety_checker import check_thread_safe", "ftstress"),
        ("from snakepit_bridge.adapters.showcase import ShowcaseAdapter", "StdlibAdapter"),
    ],
)
def test_what_is_not_there_says_the_way_out(names, statement, way_out):
    with pytest.raises(ImportError, match=way_out):
        exec(statement, {})


def test_no_other_class_hides_under_an_incumbents_name(names):
    module = importlib.import_module(f"{PACKAGE}.base_adapter_threaded")
    assert RequestTracker not in vars(module).values()
    with pytest.raises(ImportError):
        module.RequestTracker  # noqa: B018


def test_an_unknown_name_is_an_attribute_error(names):
    module = importlib.import_module(f"{PACKAGE}.base_adapter")
    assert not hasattr(module, "BaseAdaptor")
    with pytest.raises(AttributeError, match="offers: BaseAdapter, StreamChunk"):
        module.BaseAdaptor  # noqa: B018
    with pytest.raises(ImportError, match="BaseAdaptor"):
        exec("from snakepit_bridge.base_adapter import BaseAdaptor", {})
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{PACKAGE}.no_such_module")


def test_importing_ftbridge_leaves_the_name_alone():
    # A process of its own: in this one other tests have loaded adapters.
    code = (
        "import importlib.util, ftbridge, ftbridge.bridge, ftbridge.cli.serve\n"
        "from ftbridge import BaseAdapter\n"
        "assert importlib.util.find_spec('snakepit_bridge') is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_loading_an_adapter_resolves_its_imports(clean):
    (clean / "guide_adapter.py").write_text(GUIDE_ADAPTER)
    assert issubclass(ftbridge.load_adapter("guide_adapter.Guide"), ftbridge.BaseAdapter)
    assert issubclass(ftbridge.load_adapter("guide_adapter.Shared"), ftbridge.ThreadSafeAdapter)


def test_adapters_get_our_classes_although_a_real_package_is_installed(clean):
    real_package(clean)
    (clean / "guide_adapter.py").write_text(GUIDE_ADAPTER)
    assert issubclass(ftbridge.load_adapter("guide_adapter.Guide"), ftbridge.BaseAdapter)


def test_the_rest_of_a_real_package_comes_from_its_own_files(clean):
    real_package(clean)
    adapter = ftbridge.load_adapter(f"{PACKAGE}.adapters.showcase.ShowcaseAdapter")
    assert issubclass(adapter, ftbridge.BaseAdapter)
    extras = importlib.import_module(f"{PACKAGE}.extras")
    assert extras.REAL
    assert extras.BaseAdapter is ftbridge.BaseAdapter
    assert importlib.import_module(f"{PACKAGE}.zero_copy").ZeroCopyRef.__module__ == (
        f"{PACKAGE}.zero_copy"
    )


def test_a_folder_of_that_name_is_not_a_real_package(clean):
    (clean / PACKAGE).mkdir()
    assert imports.install("fallback")
    assert importlib.import_module(f"{PACKAGE}.base_adapter").tool is ftbridge.tool


def test_fallback_lets_a_real_package_win(clean):
    real_package(clean)
    assert imports.install("fallback")
    assert importlib.import_module(PACKAGE).REAL
    assert importlib.import_module(f"{PACKAGE}.base_adapter").tool is not ftbridge.tool


def test_off_installs_nothing(clean, monkeypatch):
    monkeypatch.setenv(imports.MODE_VARIABLE, "off")
    (clean / "guide_adapter.py").write_text(GUIDE_ADAPTER)
    with pytest.raises(AdapterLoadError, match=PACKAGE):
        ftbridge.load_adapter("guide_adapter.Guide")


def test_an_unknown_mode_is_refused_with_the_choices(clean, monkeypatch):
    monkeypatch.setenv(imports.MODE_VARIABLE, "sometimes")
    with pytest.raises(AdapterLoadError, match=r"'sometimes' is not one of serve, fallback, off"):
        ftbridge.load_adapter("guide_adapter.Guide")


def test_what_is_imported_already_is_never_replaced(clean):
    real_package(clean)
    real = importlib.import_module(PACKAGE)
    (clean / "guide_adapter.py").write_text(
        "from snakepit_bridge.base_adapter import BaseAdapter\nclass Guide(BaseAdapter): pass\n"
    )
    assert not imports.install()
    assert sys.modules[PACKAGE] is real
    with pytest.raises(AdapterLoadError, match="imported before ftbridge"):
        ftbridge.load_adapter("guide_adapter.Guide")


def test_installing_twice_and_from_many_threads_adds_one_finder(clean):
    threads = [threading.Thread(target=imports.install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finders = [f for f in sys.meta_path if isinstance(f, imports.SnakepitFinder)]
    assert len(finders) == 1
    imports.uninstall()
    assert not any(isinstance(f, imports.SnakepitFinder) for f in sys.meta_path)
