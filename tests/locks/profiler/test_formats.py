"""Files: the format by the name, and whole or not at all."""

import json

import pytest
from locks.profiler.contention import contended

from ftlocks.profiler import formats


@pytest.fixture(scope="module")
def report():
    return contended()[0]


@pytest.mark.parametrize(("name", "ending"), [(n, e) for n, (e, _) in formats.FORMATS.items()])
def test_the_ending_says_the_format(report, tmp_path, name, ending):
    path = tmp_path / f"locks{ending}"
    report.write(path)

    assert formats.format_of(path) == name
    assert path.stat().st_size
    assert list(tmp_path.iterdir()) == [path]


def test_the_json_holds_every_figure(report, tmp_path):
    report.write(tmp_path / "report", format="json")
    told = json.loads((tmp_path / "report").read_text())

    assert told["waiting_ns"] == report.waiting_ns
    assert told["locks"][0]["holders"][0]["waited_ns"] == report.locks[0].holders[0].waited_ns
    assert told["locks"][0]["wait"]["histogram"]
    assert told["blocked"][0]["waited_ns"] > 0
    assert told["notes"]
    assert told["sample"] == 1


def test_an_unknown_ending_is_refused_with_those_that_are_known(report, tmp_path):
    with pytest.raises(ValueError, match=r"format of 'locks\.csv'.*\.speedscope\.json"):
        report.write(tmp_path / "locks.csv")
    with pytest.raises(ValueError, match="no format 'csv'; there are speedscope"):
        report.write(tmp_path / "locks.html", format="csv")


def test_what_cannot_be_written_leaves_the_older_file(report, tmp_path, monkeypatch):
    path = tmp_path / "locks.json"
    path.write_text("older")
    monkeypatch.setattr(type(path), "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))

    with pytest.raises(OSError, match="full"):
        report.write(path)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]
