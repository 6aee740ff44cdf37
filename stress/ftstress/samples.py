"""The samples, and whether the detectors see in them what they say.

A sample is a numbered file with one mistake, its mended twin, and the detectors that find it:
`racy()` and `mended()`, or classes `Racy` and `Mended` for litmus and object tests. Each is looked
at in a process of its own, since a racy form may hang for good. Must never know a single sample.
"""

import ast
import contextlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, Final

import ftlocks
import ftstress
from ftstress import importing, litmus, objects
from ftstress.detection import detecting
from ftstress.exploration import explore
from ftstress.object_schedules import explored

SCHEDULES: Final = 400  # of the racy form, for each of two seeds
MENDED_SCHEDULES: Final = 60  # of the mended one, in each repeated run
_TRIALS: Final = 500  # of a litmus or object test of the mended form, in each repeated run


class SampleError(ValueError):
    """There are no samples, or none of that name."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One file.

    Args:
        found_by: names of detectors, of `DETECTORS`.
    """

    path: Path
    text: str
    found_by: tuple[str, ...]

    @property
    def number(self) -> str:
        """As in the file's name."""
        return self.path.stem.partition("_")[0]

    @property
    def title(self) -> str:
        """The first sentence of its explanation."""
        return " ".join(self.text.split("\n\n")[0].split())


@dataclass(frozen=True, slots=True)
class Seen:
    """What one detector saw of a sample.

    Args:
        found: what it said of the racy form, "" for nothing. seconds: that took.
        false: what it said of the mended form in some run, "" for nothing in all of them.
    """

    detector: str
    found: str
    seconds: float
    false: str


def folder_of(given: Path | None) -> Path:
    """Where the samples are: the folder that is given, or the one beside this package's source.

    Raises SampleError where there is none.
    """
    folder = given or Path(ftstress.__file__).parents[1] / "samples"
    if not any(folder.glob("[0-9]*_*.py")):
        raise SampleError(
            f"no samples in {folder}: they come with the source (stress/samples); say --folder"
        )
    return folder


def samples(folder: Path) -> list[Sample]:
    """All samples, in the order of their numbers."""
    return [_read(path) for path in sorted(folder.glob("[0-9]*_*.py"))]


def _read(path: Path) -> Sample:
    tree = ast.parse(path.read_text("utf-8"), str(path))
    found_by: tuple[str, ...] = ()
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "FOUND_BY"
        ):
            found_by = tuple(ast.literal_eval(node.value))
    return Sample(path, ast.get_docstring(tree) or "", found_by)


def named(folder: Path, name: str) -> Sample:
    """By its number, with or without zeros, or by its file's name.

    Raises SampleError where there is no such sample.
    """
    for sample in samples(folder):
        if name in (sample.path.stem, sample.path.name, sample.number, sample.number.lstrip("0")):
            return sample
    raise SampleError(f"there is no sample {name!r} in {folder}: `ftstress samples` lists them")


def check(sample: Sample, rounds: int) -> list[Seen]:
    """What its detectors see of the racy form, and of the mended one in so many runs.

    The race detector looks at every mended form that can be called.
    """
    module = _load(sample.path)
    seen = []
    for detector in dict.fromkeys((*sample.found_by, *(["races"] if _has(module) else []))):
        finds, complains = _DETECTORS[detector]
        started = perf_counter()
        found = finds(sample.path, module) if detector in sample.found_by else ""
        seconds = perf_counter() - started
        false = next(filter(None, (complains(sample.path, module, n) for n in range(rounds))), "")
        seen.append(Seen(detector, found, seconds, false))
    return seen


def _has(module: ModuleType) -> bool:
    return hasattr(module, "mended")


def _load(path: Path) -> ModuleType:
    name = f"sample_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _races(path: Path, form: str) -> str:
    with detecting() as detector:
        test = getattr(importing.load_file(path, f"sample_{path.stem}"), form)
        # That it goes wrong as well is no surprise in a racy form.
        with contextlib.suppress(*([Exception] if form == "racy" else [])):
            test()
    return "; ".join(race.variable for race in detector.races())


def _order(module: Any, form: str) -> str:
    # Strict: an acquisition that is out of order is refused before it can deadlock.
    with (
        ftlocks.check_order(strict=True) as checker,
        contextlib.suppress(ftlocks.LockOrderError),
    ):
        getattr(module, form)()
    return "locks in opposite orders" if checker.reports else ""


def _schedules(module: Any) -> str:
    for seed in range(2):
        found = explore(module.racy, iterations=SCHEDULES, seed=seed, raises=False, minimise=False)
        if found.failure is not None:
            return f"{found.failure.failure.type} in run {found.runs}"
    return ""


def _mended_schedules(module: Any, number: int) -> str:
    found = explore(module.mended, iterations=MENDED_SCHEDULES, seed=number, raises=False)
    return "" if found.failure is None else str(found.failure.failure)


def _litmus(module: Any) -> str:
    found = explore(module.Racy.under_schedule, iterations=SCHEDULES, raises=False, minimise=False)
    return "" if found.failure is None else f"{found.failure.failure.message} in run {found.runs}"


def _mended_litmus(module: Any, number: int) -> str:
    result = litmus.run(module.Mended, seconds=None, count=_TRIALS, seed=number)
    return "a forbidden outcome" if result.is_forbidden else ""


def _objects(module: Any) -> str:
    found = explored(module.Racy, minimise=False)
    return "" if found.failure is None else f"no order explains it, in run {found.runs}"


def _mended_objects(module: Any, number: int) -> str:
    result = objects.run(module.Mended, seconds=None, count=_TRIALS, seed=number)
    return "" if result.failure is None else "a history that no order explains"


# Detector -> what it says of the racy form, and of the mended one in the n-th run.
_DETECTORS: Final[
    dict[
        str,
        tuple[
            Callable[[Path, ModuleType], str],
            Callable[[Path, ModuleType, int], str],
        ],
    ]
] = {
    "races": (lambda path, _: _races(path, "racy"), lambda path, _, __: _races(path, "mended")),
    "schedules": (lambda _, m: _schedules(m), lambda _, m, n: _mended_schedules(m, n)),
    "order": (lambda _, m: _order(m, "racy"), lambda _, m, __: _order(m, "mended")),
    "litmus": (lambda _, m: _litmus(m), lambda _, m, n: _mended_litmus(m, n)),
    "objects": (lambda _, m: _objects(m), lambda _, m, n: _mended_objects(m, n)),
}
DETECTORS: Final = tuple(_DETECTORS)
