"""`stress/samples`: what is said to find a racy form does, and nothing finds its mended twin."""

import ast
import contextlib
import importlib.util
import sys
from pathlib import Path

import pytest

import ftlocks
from ftstress import explore, importing, litmus, objects
from ftstress.detection import detecting
from ftstress.object_schedules import explored

FOLDER = Path(__file__).parents[2] / "stress" / "samples"
SAMPLES = sorted(FOLDER.glob("[0-9]*.py"))
ROUNDS = 2
DETECTORS = {"races", "schedules", "order", "litmus", "objects"}
SCHEDULES = 400  # that the racy form has to be found within
MENDED_SCHEDULES = 30


def found_by(path):
    """The sample's own line."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "FOUND_BY":
            return ast.literal_eval(node.value)
    return ()


def which(detector):
    chosen = [path for path in SAMPLES if detector in found_by(path)]
    return pytest.mark.parametrize("path", chosen, ids=lambda path: path.stem)


@pytest.fixture
def sample(monkeypatch):
    """Imports a sample as it is, for the length of a test."""

    def load(path):
        name = f"sample_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def races(path, form):
    with detecting() as detector:
        test = getattr(importing.load_file(path, f"sample_{path.stem}"), form)
        with contextlib.suppress(*([Exception] if form == "racy" else [])):
            test()
    return detector.races()


def test_there_are_numbered_samples_with_an_explanation_each():
    assert [path.name[:2] for path in SAMPLES] == [f"{n:02}" for n in range(1, len(SAMPLES) + 1)]
    assert len(SAMPLES) >= 30
    for path in SAMPLES:
        text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert "Mended:" in text, path


def test_each_is_found_by_something():
    for path in SAMPLES:
        assert found_by(path), path
        assert set(found_by(path)) <= DETECTORS, path
    for detector in DETECTORS:
        assert any(detector in found_by(path) for path in SAMPLES), detector


@which("races")
def test_the_race_is_found_whatever_happened_and_the_mended_form_is_silent(path):
    for _ in range(ROUNDS):
        found = races(path, "racy")
        assert found
        assert all(race.first.site.filename == str(path) for race in found)
        assert [race.text() for race in races(path, "mended")] == []


@which("schedules")
def test_a_schedule_fails_the_racy_form_and_none_the_mended_one(path, sample):
    module = sample(path)
    assert any(
        explore(module.racy, iterations=SCHEDULES, seed=seed, raises=False, minimise=False).failure
        for seed in range(2)
    )
    mended = explore(module.mended, iterations=MENDED_SCHEDULES, raises=False)
    assert mended.failure is None, mended.failure


@which("order")
def test_the_order_of_locks_is_reported_for_the_racy_form_only(path, sample):
    module = sample(path)
    for form, expected in ((module.racy, 1), (module.mended, 0)):
        # Strict: it is refused before it can deadlock.
        with (
            ftlocks.check_order(strict=True) as checker,
            contextlib.suppress(ftlocks.LockOrderError),
        ):
            form()
        assert len(checker.reports) == expected


@which("litmus")
def test_the_litmus_test_has_the_forbidden_outcome_in_the_racy_form_only(path, sample):
    module = sample(path)
    racy = explore(module.Racy.under_schedule, iterations=SCHEDULES, raises=False)
    assert racy.failure.failure.type == "ForbiddenOutcomeError"
    assert not litmus.run(module.Mended, seconds=None, count=500).is_forbidden


@which("objects")
def test_the_object_test_fails_in_the_racy_form_only(path, sample):
    module = sample(path)
    racy = explored(module.Racy, scripts=20, iterations=50, minimise=False)
    assert racy.failure.failure.type == "NotLinearizableError"
    assert objects.run(module.Mended, seconds=None, count=300).failure is None


@pytest.mark.parametrize(
    "path",
    [path for path in SAMPLES if {"races", "objects"}.isdisjoint(found_by(path))],
    ids=lambda path: path.stem,
)
def test_no_race_is_seen_in_a_mended_form_whose_racy_one_is_found_by_other_means(path):
    assert [race.text() for race in races(path, "mended")] == []
