"""`ftstress samples`, over a folder of its own: a good sample, a bad one, and one that hangs."""

import json
import re
from pathlib import Path

import pytest

from ftstress import samples_command
from ftstress.__main__ import main
from ftstress.samples import DETECTORS, SampleError, folder_of, named, samples

SAMPLE = '''"""{title}

More of it. Mended: otherwise.
"""

from ftstress import together

FOUND_BY = {found_by}


class Box:
    n = 0


def add(box):
    box.n += 1


def racy():
    box = Box()
    {racy}


def mended():
    box = Box()
    {mended}
'''
BOTH = "together(lambda: add(box), lambda: add(box))"
ONE = "add(box)"


@pytest.fixture
def folder(tmp_path):
    def write(name, title, found_by, racy, mended):
        text = SAMPLE.format(title=title, found_by=found_by, racy=racy, mended=mended)
        (tmp_path / name).write_text(text, "utf-8")

    write("01_good.py", "Two count.", ("races",), BOTH, ONE)
    write("02_missed.py", "One counts.", ("races",), ONE, ONE)
    write("03_false.py", "The twin is no better.", ("races", "schedules"), BOTH, BOTH)
    (tmp_path / "helper.py").write_text("", "utf-8")
    return tmp_path


def test_they_are_listed_with_what_finds_them(folder, capsys):
    assert main(["samples", "--folder", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["01_good", "02_missed", "03_false"]
    assert lines[0].split(maxsplit=2)[1:] == ["races", "Two count."]


@pytest.mark.parametrize("name", ["1", "01", "01_good", "01_good.py"])
def test_one_is_shown(folder, name, capsys):
    assert main(["samples", name, "--folder", str(folder)]) == 0
    assert capsys.readouterr().out == (folder / "01_good.py").read_text("utf-8")


def test_the_samples_of_the_source_are_found():
    found = samples(folder_of(None))
    assert [sample.number for sample in found] == [f"{n:02}" for n in range(1, len(found) + 1)]
    assert named(folder_of(None), "1").path.name == "01_counter.py"


def test_wrong_names_and_folders_are_told(folder, tmp_path_factory, capsys):
    assert main(["samples", "9", "--folder", str(folder)]) == 2
    assert "there is no sample '9'" in capsys.readouterr().err
    with pytest.raises(SampleError, match="say --folder"):
        folder_of(tmp_path_factory.mktemp("empty"))
    assert main(["samples", "--check", "--rounds", "0", "--folder", str(folder)]) == 2


def test_a_check_tells_what_was_found_missed_and_false(folder, capsys):
    path = folder / "table.md"
    arguments = ["samples", "--check", "--rounds", "2", "--folder", str(folder)]
    assert main([*arguments, "--output", str(path)]) == 1

    table = path.read_text("utf-8")
    assert capsys.readouterr().out == table
    assert "1 of 3 samples" in table
    rows = {
        row.split("]")[0].removeprefix("| ["): [cell.strip() for cell in row.split("|")[2:-1]]
        for row in table.splitlines()
        if row.startswith("| [")
    }
    races, schedules = DETECTORS.index("races"), DETECTORS.index("schedules")
    assert rows["01_good"][races].endswith(" s")
    assert rows["01_good"][-1] == "silent, 2 runs"
    assert rows["02_missed"][races] == "missed"
    assert rows["03_false"][schedules] == "missed"  # it only counts, and asserts nothing
    assert rows["03_false"][-1].startswith("races: attribute 'n' of a Box")


def test_a_sample_that_hangs_fails_alone(folder, monkeypatch, capsys):
    text = '"""Waits."""\nimport time\ntime.sleep(600)\n'
    (folder / "04_hangs.py").write_text(text, "utf-8")
    monkeypatch.setattr(samples_command, "_TIMEOUT", 2.0)
    assert main(["samples", "4", "--check", "--folder", str(folder)]) == 1
    assert "failed: " in capsys.readouterr().out


def test_one_as_json(folder, capsys):
    arguments = ["samples", "1", "--check", "--rounds", "1", "--json", "--folder", str(folder)]
    assert main(arguments) == 0
    (seen,) = json.loads(capsys.readouterr().out)
    assert seen["detector"] == "races"
    assert seen["found"] == "attribute 'n' of a Box"
    assert seen["false"] == ""


def test_the_page_has_a_row_for_every_sample_of_the_source():
    page = (Path(__file__).parents[2] / "docs" / "samples.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\(\.\./stress/samples/(\w+\.py)\)(.*)$", page, re.MULTILINE)
    expected = [sample.path.name for sample in samples(folder_of(None))]
    assert [name for _, name, _ in rows] == expected, "run: ftstress samples --check --output it"
    assert all(cells.endswith("| silent, 10 runs |") for _, _, cells in rows)
