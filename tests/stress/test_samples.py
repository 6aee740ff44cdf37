"""`stress/samples`: the detector finds every racy form and says nothing of its mended twin."""

import ast
from pathlib import Path

import pytest

from ftstress import importing
from ftstress.detection import detecting

FOLDER = Path(__file__).parents[2] / "stress" / "samples"
SAMPLES = sorted(FOLDER.glob("[0-9]*.py"))
ROUNDS = 3


def races(path, form):
    with detecting() as detector:
        getattr(importing.load_file(path, f"sample_{path.stem}"), form)()
    return detector.races()


def test_there_are_numbered_samples_with_an_explanation_each():
    assert [path.name[:2] for path in SAMPLES] == [f"{n:02}" for n in range(1, len(SAMPLES) + 1)]
    assert len(SAMPLES) >= 12
    assert all(ast.get_docstring(ast.parse(path.read_text("utf-8"))) for path in SAMPLES)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_racy_form_is_found_and_the_mended_one_is_silent(path):
    for _ in range(ROUNDS):
        found = races(path, "racy")
        assert found
        assert all(race.first.site.filename == str(path) for race in found)
        assert [race.text() for race in races(path, "mended")] == []
