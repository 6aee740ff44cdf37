from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from bridge.races import Meeting, NoLock, at_once
from examples.source_tree import FILES, make_library

from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.errors import (
    StreamingToolError,
    ToolArgumentError,
    ToolCancelledError,
    ToolDeadlineError,
)
from ftbridge.adapters.host import AdapterHost
from ftbridge.examples import StdlibAdapter

THREADS = 8


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_library(tmp_path)


@pytest.fixture
def adapter(root: Path) -> StdlibAdapter:
    return StdlibAdapter(root)


@pytest.fixture
def host() -> Iterator[AdapterHost]:
    host = AdapterHost(StdlibAdapter)
    host.open()
    yield host
    host.close()


def without_locks(cls: type[StdlibAdapter]) -> type[StdlibAdapter]:
    """The same adapter, written by somebody who has forgotten the locks."""

    class Unlocked(cls):  # type: ignore[misc, valid-type]
        def acquire_lock(self, *_: object, **__: object) -> AbstractContextManager[Any]:
            return NoLock()

    return Unlocked


# Tools, called directly


def test_analyse_file(adapter: StdlibAdapter) -> None:
    result = adapter.analyse_file("alpha.py")
    assert result["path"] == "alpha.py"
    assert result["lines"] == 8
    assert result["call_sites"] == 5
    assert result["distinct_callees"] == 4


def test_top_calls(adapter: StdlibAdapter) -> None:
    assert adapter.top_calls("alpha.py", limit=2) == [
        {"name": "len", "count": 2},
        {"name": "*.strip", "count": 1},
    ]


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_range_is_named(adapter: StdlibAdapter, limit: int) -> None:
    message = f"between 1 and 1000, got {limit}"
    with pytest.raises(ValueError, match=message):
        adapter.top_calls("alpha.py", limit=limit)
    with pytest.raises(ValueError, match=message):
        adapter.compare("alpha.py", limit=limit)
    with pytest.raises(ValueError, match=message):
        list(adapter.crawl("pack", limit=limit))


def test_compare_finds_the_copy(adapter: StdlibAdapter) -> None:
    result = adapter.compare("alpha.py", limit=1)
    # Six of the library's seven files can be parsed; one of them is the file itself.
    assert result == {
        "path": "alpha.py",
        "compared_with": 5,
        "similar": [{"path": "beta.py", "similarity": 1.0}],
    }


def test_compare_takes_a_file_that_is_not_in_the_matrix(adapter: StdlibAdapter) -> None:
    result = adapter.compare("test/check.py")
    assert result["compared_with"] == 6
    assert result["similar"][0]["path"] == "pack/inner/deep.py"  # type: ignore[index]


@pytest.mark.parametrize("tool", ["analyse_file", "top_calls", "compare"])
@pytest.mark.parametrize("path", ["../secret.py", "pack/broken.py", "absent.py"])
def test_files_that_cannot_be_read_are_refused(
    adapter: StdlibAdapter, tool: str, path: str
) -> None:
    with pytest.raises(ValueError, match=path):
        getattr(adapter, tool)(path)


def test_crawl_reports_each_file_and_the_totals(adapter: StdlibAdapter) -> None:
    *steps, last = list(adapter.crawl("pack"))
    data: list[Any] = [step.data for step in steps]
    assert [step["file"] for step in data] == [
        "pack/__init__.py",
        "pack/broken.py",
        "pack/inner/deep.py",
        "pack/zeta.py",
    ]
    assert [step["progress"] for step in data] == [25.0, 50.0, 75.0, 100.0]
    assert [step["status"] for step in data] == ["analysed", "skipped", "analysed", "analysed"]
    assert "'pack/broken.py' is not valid Python" in data[1]["reason"]
    assert data[3]["metrics"]["call_sites"] == 2
    assert not any(step.is_final for step in steps)

    assert last.is_final
    final: Any = last.data
    assert (final["progress"], final["status"]) == (100.0, "done")
    assert (final["totals"]["files"], final["totals"]["skipped"]) == (3, 1)
    for name in ("lines", "tokens", "call_sites"):
        assert final["totals"][name] == sum(
            step["metrics"][name] for step in data if "metrics" in step
        )


def test_crawl_stops_at_its_limit(adapter: StdlibAdapter) -> None:
    chunks: list[Any] = list(adapter.crawl("pack", limit=1))
    assert [chunk.data["progress"] for chunk in chunks] == [100.0, 100.0]


def test_crawl_reads_nothing_ahead_of_its_reader(adapter: StdlibAdapter) -> None:
    crawl = adapter.crawl("pack")
    next(crawl)
    assert adapter.statistics()["files"] == 1


@pytest.mark.parametrize("iterations", [0, 1, 50_000, 50_001, 100_000])
def test_burn_computes_what_it_says(adapter: StdlibAdapter, iterations: int) -> None:
    value = 0
    for number in range(iterations):
        value = (value * 141 + number % 50_000) & 0xFF
    assert adapter.burn(iterations) == {
        "value": value,
        "iterations": iterations,
        "thread": threading.current_thread().name,
    }


def test_burn_refuses_negative_work(adapter: StdlibAdapter) -> None:
    with pytest.raises(ValueError, match="0 or more, got -1"):
        adapter.burn(-1)


# The cache of each thread


def test_a_file_is_parsed_once_a_thread(adapter: StdlibAdapter) -> None:
    adapter.analyse_file("alpha.py")
    adapter.top_calls("alpha.py")
    statistics = adapter.statistics()
    assert (statistics["files"], statistics["cache_hits"]) == (1, 1)
    at_once([lambda: adapter.analyse_file("alpha.py")])
    statistics = adapter.statistics()
    assert (statistics["files"], statistics["cache_hits"]) == (2, 1)


def test_a_changed_file_is_parsed_again(adapter: StdlibAdapter, root: Path) -> None:
    assert adapter.analyse_file("gamma.py")["classes"] == 1
    (root / "gamma.py").write_text("value = 1\n")
    assert adapter.analyse_file("gamma.py")["classes"] == 0


def test_the_cache_is_bounded(adapter: StdlibAdapter, root: Path) -> None:
    for number in range(40):
        (root / f"many{number}.py").write_text(f"value = {number}\n")
        adapter.analyse_file(f"many{number}.py")
    assert len(adapter.get_thread_local("reports")) == 32
    adapter.analyse_file("many39.py")
    assert adapter.statistics()["cache_hits"] == 1
    adapter.analyse_file("many0.py")
    assert adapter.statistics()["cache_hits"] == 1


# Eight threads at once, with and without the locks


class MeetingAtRead(dict[str, int]):
    """Statistics whose readers of `files` meet between reading and writing."""

    meeting: Meeting

    def __getitem__(self, name: str) -> int:
        value = super().__getitem__(name)
        if name == "files":
            self.meeting()
        return value


def files_counted(cls: type[StdlibAdapter], root: Path, *, locked: bool) -> int:
    adapter = cls(root)
    adapter._statistics = MeetingAtRead(adapter._statistics)
    adapter._statistics.meeting = Meeting(THREADS, locked=locked)
    start = threading.Barrier(THREADS)

    def work() -> None:
        start.wait(30)
        adapter.analyse_file("alpha.py")

    assert at_once([work] * THREADS) == [None] * THREADS
    return adapter.statistics()["files"]


def test_statistics_are_exact(root: Path) -> None:
    assert files_counted(StdlibAdapter, root, locked=True) == THREADS


def test_without_the_lock_statistics_are_lost(root: Path) -> None:
    assert files_counted(without_locks(StdlibAdapter), root, locked=False) == 1


class CountingBuilds(StdlibAdapter):
    """Builders of the matrix are counted, and meet before they build."""

    meeting: Meeting
    builders: list[str]

    def _build_index(self) -> Any:
        self.builders.append(threading.current_thread().name)
        self.meeting()
        return super()._build_index()


def builders_of_the_matrix(cls: type[Any], root: Path, *, locked: bool) -> int:
    adapter = cls(root)
    adapter.builders = []
    adapter.meeting = Meeting(THREADS, locked=locked)
    start = threading.Barrier(THREADS)

    def work() -> Any:
        start.wait(30)
        return adapter.compare("alpha.py", limit=1)["similar"]

    expected = [{"path": "beta.py", "similarity": 1.0}]
    assert at_once([work] * THREADS) == [expected] * THREADS
    return len(adapter.builders)


def test_the_matrix_is_built_once(root: Path) -> None:
    assert builders_of_the_matrix(CountingBuilds, root, locked=True) == 1


def test_without_the_lock_every_thread_builds_the_matrix(root: Path) -> None:
    assert builders_of_the_matrix(without_locks(CountingBuilds), root, locked=False) == THREADS


def test_a_failed_build_leaves_the_next_caller_to_try(root: Path) -> None:
    class FailsOnce(StdlibAdapter):
        failed = False

        def _build_index(self) -> Any:
            if not self.failed:
                self.failed = True
                raise MemoryError
            return super()._build_index()

    adapter = FailsOnce(root)
    with pytest.raises(MemoryError):
        adapter.compare("alpha.py")
    assert adapter.statistics()["matrix_builds"] == 0
    assert adapter.compare("alpha.py")["compared_with"] == 5
    assert adapter.statistics()["matrix_builds"] == 1


def test_all_tools_together_add_up(root: Path) -> None:
    adapter = StdlibAdapter(root)
    start = threading.Barrier(THREADS)
    readable = [name for name in FILES if "broken" not in name and "site" not in name]

    def work() -> None:
        start.wait(30)
        for name in readable:
            adapter.analyse_file(name)
        for name in readable:
            adapter.top_calls(name)
        adapter.compare("alpha.py")

    assert at_once([work] * THREADS) == [None] * THREADS
    statistics = adapter.statistics()
    assert statistics["files"] == THREADS * len(readable)
    assert statistics["cache_hits"] == THREADS * len(readable)
    assert statistics["lines"] == THREADS * sum(len(FILES[n].splitlines()) for n in readable)
    assert statistics["matrix_builds"] == 1


# Served by a host, over the real standard library


def test_the_tools_describe_themselves(host: AdapterHost) -> None:
    assert sorted(host.tools) == [
        "add",
        "analyse_file",
        "burn",
        "compare",
        "crawl",
        "echo",
        "statistics",
        "top_calls",
    ]
    for info in host.tools.values():
        assert info.description
        assert all(parameter.description for parameter in info.parameters), info.name
    assert [n for n, info in host.tools.items() if info.supports_streaming] == ["crawl"]


def test_the_declared_examples_work(host: AdapterHost) -> None:
    for name, arguments in StdlibAdapter.__examples__:
        if host.tools[name].supports_streaming:
            assert list(host.stream(name, dict(arguments), SessionContext("s")))[-1].is_final
        else:
            result: Any = host.call(name, dict(arguments), SessionContext("s"))
            assert result["path"] == "json/decoder.py"
            assert result["functions"] > 0


def test_echo_and_add(host: AdapterHost) -> None:
    assert host.call("echo", {"message": "ü"}, SessionContext("s")) == "ü"
    assert host.call("add", {"a": 1, "b": 2.5}, SessionContext("s")) == 3.5
    with pytest.raises(ToolArgumentError, match="'b'"):
        host.call("add", {"a": 1}, SessionContext("s"))


def test_a_crawl_is_a_stream_only(host: AdapterHost) -> None:
    with pytest.raises(StreamingToolError):
        host.call("crawl", {"package": "json"}, SessionContext("s"))


def test_a_cancelled_crawl_ends_at_the_next_file(host: AdapterHost) -> None:
    context = SessionContext("s")
    stream = host.stream("crawl", {"package": "json"}, context)
    next(stream)
    context.cancel()
    with pytest.raises(ToolCancelledError):
        list(stream)


def test_burn_ends_at_its_deadline(host: AdapterHost, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    context = SessionContext("s", deadline=5.0)
    monkeypatch.setattr("ftbridge.adapters.context.time.monotonic", lambda: float(next(clock)))
    with pytest.raises(ToolDeadlineError):
        host.call("burn", {"iterations": 10**12}, context)


def test_importing_the_adapter_does_not_import_numpy() -> None:
    paths = [str(Path(sys.modules[n].__file__ or "").parents[1]) for n in ("ftbridge", "ftlocks")]
    program = f"""
import sys
sys.path[:0] = {paths!r}
import ftbridge.examples
sys.exit("numpy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    assert done.returncode == 0
