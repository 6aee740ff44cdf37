"""One tool on one form of one sample, in a process of its own: what `stress_bench` starts.

``stress_worker.py TOOL SAMPLE FORM SECONDS`` prints a line of JSON: whether something was found,
and after how many seconds. ``stress_worker.py slowdown plain|detected`` prints seconds and memory
of the example adapter's analysis. Imports the other tools only when it is to run them.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

THREADS = 4  # of pytest-run-parallel, as its own documentation runs it
_BATCH = 25  # schedules or trials between two looks at the clock


def form_of(sample: Path, form: str) -> Callable[[], object]:
    """A sample's `racy` or `mended`, imported as it is."""
    spec = importlib.util.spec_from_file_location(f"sample_{sample.stem}", sample)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found: Callable[[], object] = getattr(module, form)
    return found


def _fails(call: Callable[[], object]) -> bool:
    """Whether it raises, here or on one of its threads."""
    raised: list[object] = []
    threading.excepthook = lambda arguments: raised.append(arguments.exc_value)
    try:
        call()
    except Exception:  # noqa: BLE001  # whatever the sample's mistake brings
        return True
    return bool(raised)


def ftstress_run(sample: Path, form: str, _: float) -> bool:
    """One run under the detectors: races, atomicity, lock order, deadlocks."""
    from ftstress import importing
    from ftstress.detection import detecting

    with detecting() as detector:
        module = importing.load_file(sample, f"sample_{sample.stem}")
        failed = _fails(getattr(module, form))
    locks = detector.locks
    return failed or any(
        (detector.races(), detector.violations(), locks.orders(), locks.deadlocks())
    )


def ftstress_explore(sample: Path, form: str, seconds: float) -> bool:
    """PCT until the time is up."""
    import ftstress

    test = form_of(sample, form)
    end = time.monotonic() + seconds
    for seed in range(1_000_000):
        found = ftstress.explore(
            test, iterations=_BATCH, seed=seed, raises=False, minimise=False, max_steps=5000
        )
        if found.failure is not None:
            return True
        if time.monotonic() > end:
            break
    return False


def interleave_test(sample: Path, form: str, seconds: float) -> bool:
    """Its PCT until the time is up."""
    tool: Any = importlib.import_module("interleave_test")
    test = form_of(sample, form)
    end = time.monotonic() + seconds
    for seed in range(1_000_000):
        found = tool.explore(
            test, iterations=_BATCH, seed=seed, strategy="pct", raise_on_failure=False
        )
        if not found.ok:
            return True
        if time.monotonic() > end:
            break
    return False


def racecheck(sample: Path, form: str, seconds: float) -> bool:
    """The form in two operations at once, trial after trial; it violates what it asserts."""
    tool: Any = importlib.import_module("racecheck")
    test = form_of(sample, form)

    def operation(failures: list[object]) -> None:
        if _fails(test):
            failures.append(None)

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = tool.check(
            setup=list,
            ops=[operation, operation],
            invariant=lambda failures: not failures,
            trials=_BATCH,
        )
        if found.violations:
            return True
    return False


def threadcheck(sample: Path, form: str, _: float) -> bool:
    """One run under its dynamic analysis."""
    tracker: Any = importlib.import_module("threadcheck.dynamic.tracker").ThreadCheckTracker
    transform: Any = importlib.import_module("threadcheck.dynamic.transform")
    code = transform.transform_and_compile(sample.read_text("utf-8"), str(sample))
    names: dict[str, Any] = {"_threadcheck_tracker": tracker, "__name__": sample.stem}
    tracker.start()
    exec(code, names)
    failed = _fails(names[form])
    tracker.stop()
    return failed or bool(tracker.detect_races())


def pytest_run_parallel(sample: Path, form: str, seconds: float) -> bool:
    """The form as a test on several threads, again and again."""
    import tempfile

    import pytest

    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder, "test_sample.py")
        test.write_text(
            f"import importlib.util\n"
            f"spec = importlib.util.spec_from_file_location('sample', {str(sample)!r})\n"
            f"module = importlib.util.module_from_spec(spec)\n"
            f"spec.loader.exec_module(module)\n"
            f"def test_sample():\n    module.{form}()\n"
        )
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = pytest.main(
                [
                    *("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", folder),
                    *("--override-ini", "addopts=", "--override-ini", "filterwarnings="),
                    *(f"--parallel-threads={THREADS}", f"--iterations={_BATCH}", str(test)),
                ]
            )
            if status == 1:
                return True
            if status != 0:
                raise RuntimeError(f"pytest ended with status {status!r}")
    return False


TOOLS: dict[str, Callable[[Path, str, float], bool]] = {
    "ftstress run": ftstress_run,
    "ftstress explore": ftstress_explore,
    "interleave-test": interleave_test,
    "racecheck": racecheck,
    "threadcheck": threadcheck,
    "pytest-run-parallel": pytest_run_parallel,
}


def slowdown(way: str) -> dict[str, float]:
    """The analysis of some of the standard library, on two threads that share the work."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        if way == "detected":
            from ftstress import instrumented
            from ftstress.detection import detecting

            stack.enter_context(detecting())
            stack.enter_context(instrumented("ftbridge.examples"))
        analysis: Any = importlib.import_module("ftbridge.examples.analysis")
        files = sorted(Path(json.__file__).parent.glob("*.py"))
        texts = [(file.read_bytes(), file.name) for file in files]
        analysis.analyse(*texts[0])
        began = time.perf_counter()
        threads = [
            threading.Thread(target=lambda: [analysis.analyse(*text) for text in texts])
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def main(arguments: list[str]) -> None:
    """Do what is asked for; the last line of stdout is the answer."""
    if arguments[0] == "slowdown":
        print(json.dumps(slowdown(arguments[1])))
        return
    tool, sample, form, seconds = arguments
    began = time.monotonic()
    found = TOOLS[tool](Path(sample), form, float(seconds))
    print(json.dumps({"found": found, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
