"""`StdlibAdapter`: tools over the standard library's own source, run by many threads at once.

Shows each way of sharing in the place where it is right: written once and then only read (the
folder, the feature matrix), changed under `acquire_lock()` (the statistics), built by one thread
while the others wait (the matrix again), kept by each thread for itself (parsed files). Must never
open a file that `SourceFolder` has not returned.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from ftbridge.adapters.chunks import StreamChunk
from ftbridge.adapters.decorators import thread_safe_method, tool
from ftbridge.adapters.threaded import ThreadSafeAdapter
from ftbridge.examples.analysis import (
    FileReport,
    InvalidSourceError,
    analyse,
    most_called,
    node_types,
    parse,
)
from ftbridge.examples.paths import SourceFolder

if TYPE_CHECKING:
    from ftbridge.examples.similarity import SimilarityIndex

_MATRIX_LOCK: Final = "matrix"  # apart from the statistics' lock: building takes seconds

_CACHE_KEY: Final = "reports"
_CACHE_SIZE: Final = 32  # reports a thread keeps; tens of KB each, and there may be many threads

_MOST_RESULTS: Final = 1000  # a `limit` above this asks for more than a person reads

_BURN_SLICE: Final = 50_000  # iterations between looks at the deadline: some milliseconds


@dataclass(frozen=True, slots=True)
class _Cached:
    """A report, and the state of the file that it was made from."""

    modified: int  # ns
    size: int  # bytes
    report: FileReport


class StdlibAdapter(ThreadSafeAdapter):
    """Analyse, compare and crawl the source of Python's standard library."""

    __thread_safe__ = True

    __examples__: ClassVar[tuple[tuple[str, Mapping[str, object]], ...]] = (
        ("analyse_file", {"path": "json/decoder.py"}),
        ("crawl", {"package": "json"}),
    )

    def __init__(self, root: Path | None = None) -> None:
        """Serve the source below `root`; without one, this interpreter's standard library."""
        self._folder = SourceFolder(root)
        self._index: SimilarityIndex | None = None
        self._statistics: dict[str, int] = dict.fromkeys(
            ("files", "lines", "tokens", "call_sites", "cache_hits", "matrix_builds"), 0
        )

    @tool
    @thread_safe_method
    def echo(self, message: str) -> str:
        """Return the message unchanged.

        Args:
            message: Any text.
        """
        return message

    @tool
    @thread_safe_method
    def add(self, a: float, b: float) -> float:
        """Add two numbers.

        Args:
            a: The first number.
            b: The second number.
        """
        return a + b

    @tool
    @thread_safe_method
    def burn(self, iterations: int) -> dict[str, object]:
        """Keep one core busy with arithmetic in pure Python.

        Args:
            iterations: How many multiplications to do; 0 or more.
        """
        if iterations < 0:
            raise ValueError(f"iterations must be 0 or more, got {iterations}")
        context = self.session_context
        value, left = 0, iterations
        while left > 0:
            for step in range(min(left, _BURN_SLICE)):
                # Constants up to 256 only: CPython makes these ints immortal, while for larger
                # ones all threads would count references in the same place.
                value = (value * 141 + step) % 256
            left -= _BURN_SLICE
            if context is not None:
                context.raise_if_cancelled()
        return {
            "value": value,
            "iterations": iterations,
            "thread": threading.current_thread().name,
        }

    @tool
    @thread_safe_method
    def analyse_file(self, path: str) -> dict[str, object]:
        """Count tokens, syntax nodes, definitions, branches and calls of one source file.

        Args:
            path: A file of the standard library, relative to its folder, as in json/decoder.py.
        """
        report = self._report(self._folder.file(path))
        return {
            "path": report.path,
            **report.metrics(),
            "depth": report.depth,
            "documented": report.documented,
            "documentable": report.documentable,
            "distinct_callees": len(report.calls),
            "token_types": dict(report.token_types),
        }

    @tool
    @thread_safe_method
    def top_calls(self, path: str, limit: int = 10) -> list[dict[str, object]]:
        """What a source file calls most often.

        Args:
            path: A file of the standard library, relative to its folder, as in json/decoder.py.
            limit: The most callees to return, 1 to 1000.
        """
        _check_limit(limit)
        report = self._report(self._folder.file(path))
        return [{"name": name, "count": count} for name, count in most_called(report, limit)]

    @tool
    @thread_safe_method
    def compare(self, path: str, limit: int = 5) -> dict[str, object]:
        """Find the files of the standard library that are written most like a given one.

        The first call reads the whole library, which takes seconds; all later ones share that.

        Args:
            path: A file of the standard library, relative to its folder, as in json/decoder.py.
            limit: The most files to return, 1 to 1000.
        """
        _check_limit(limit)
        file = self._folder.file(path)
        name = self._folder.name_of(file)
        counted = node_types(parse(file.read_bytes(), name))
        index = self._similarity_index()
        similar = index.most_similar(name, counted, limit)
        return {
            "path": name,
            "compared_with": len(index.paths) - (name in index.rows),
            "similar": [{"path": other, "similarity": score} for other, score in similar],
        }

    @tool(supports_streaming=True)
    def crawl(self, package: str, limit: int | None = None) -> Iterator[StreamChunk]:
        """Analyse every file of a package, one chunk a file, totals in the last chunk.

        Args:
            package: A package or module of the standard library, dotted as in an import.
            limit: The most files to analyse; all of them when left out.
        """
        if limit is not None:
            _check_limit(limit)
        files = self._folder.package(package)[:limit]
        # Taken once, here where the stream begins: it belongs to this request, not to a thread.
        context = self.session_context
        totals: Counter[str] = Counter()
        skipped = 0
        for done, file in enumerate(files, start=1):
            if context is not None:
                context.raise_if_cancelled()
            step: dict[str, object] = {
                "progress": round(100 * done / len(files), 1),
                "file": self._folder.name_of(file),
            }
            try:
                metrics = self._report(file).metrics()
            except InvalidSourceError as error:
                skipped += 1
                step |= {"status": "skipped", "reason": str(error)}
            else:
                totals.update(metrics)
                step |= {"status": "analysed", "metrics": metrics}
            yield StreamChunk(step)
        summary = {"files": len(files) - skipped, "skipped": skipped, **totals}
        yield StreamChunk(
            {"progress": 100.0, "status": "done", "package": package, "totals": summary},
            is_final=True,
        )

    @tool
    @thread_safe_method
    def statistics(self) -> dict[str, int]:
        """What all callers together have had analysed since the server started."""
        with self.acquire_lock():
            return dict(self._statistics)

    def _record(self, **amounts: int) -> None:
        with self.acquire_lock():
            statistics = self._statistics
            for name, amount in amounts.items():
                statistics[name] += amount

    def _report(self, file: Path) -> FileReport:
        """The report on a file, from this thread's cache where the file is still the same."""
        cache: OrderedDict[Path, _Cached] | None = self.get_thread_local(_CACHE_KEY)
        if cache is None:
            cache = OrderedDict()
            self.set_thread_local(_CACHE_KEY, cache)
        state = file.stat()
        held = cache.get(file)
        if held is not None and (held.modified, held.size) == (state.st_mtime_ns, state.st_size):
            cache.move_to_end(file)
            self._record(cache_hits=1)
            return held.report
        report = analyse(file.read_bytes(), self._folder.name_of(file))
        cache[file] = _Cached(state.st_mtime_ns, state.st_size, report)
        if len(cache) > _CACHE_SIZE:
            cache.popitem(last=False)
        self._record(
            files=1, lines=report.lines, tokens=report.tokens, call_sites=report.call_sites
        )
        return report

    def _similarity_index(self) -> "SimilarityIndex":
        """The feature matrix: built by the first caller, awaited by those who come meanwhile.

        Reading the attribute without the lock is in order: it is assigned once, after the index is
        complete, and an index never changes. A build that fails leaves it unset for the next
        caller. The build does not stop when its caller goes: others are waiting for it.
        """
        index = self._index
        if index is None:
            with self.acquire_lock(_MATRIX_LOCK):
                index = self._index
                if index is None:
                    index = self._build_index()
                    self._record(matrix_builds=1)
                    self._index = index
        return index

    def _build_index(self) -> "SimilarityIndex":
        from ftbridge.examples.similarity import SimilarityIndex  # here begins the need for numpy

        counts = {}
        for file in self._folder.library():
            name = self._folder.name_of(file)
            try:
                counts[name] = node_types(parse(file.read_bytes(), name))
            except InvalidSourceError:
                continue  # a file that cannot be parsed resembles nothing
        return SimilarityIndex.build(counts)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= _MOST_RESULTS:
        raise ValueError(f"limit must be between 1 and {_MOST_RESULTS}, got {limit}")
