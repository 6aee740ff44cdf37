"""Object tests under schedules: found, made small, saved and replayed."""

import json

import pytest
from stress.object_tests import Atomic, Racy

from ftstress.object_schedules import HistoryFormatError, explored, load


def test_a_lost_update_is_found_in_two_calls_and_fails_again_each_time():
    found = explored(Racy, scripts=5, iterations=100, target="x.py:Racy")

    assert found.failure is not None
    assert sum(map(len, found.script)) == 2
    assert "NotLinearizableError" in str(found.failure)
    assert "nothing fits next" in str(found.failure)
    assert "objects.py" not in found.failure.table.replace("test_objects.py", "")
    # The model, in the same module, takes no steps.
    assert "self.number = 0" in found.failure.table
    assert found.failure.table.count("return self.number") <= 2
    saved = load(found.saved)
    assert (saved.target, saved.script) == ("x.py:Racy", found.script)
    again = saved.replay(Racy, times=10)
    assert again.is_same


def test_an_atomic_counter_passes():
    told = []
    found = explored(Atomic, scripts=2, iterations=15, progress=told.append)
    assert found.failure is None
    assert (found.scripts, found.runs, found.saved) == (2, 30, "")
    assert told == [15, 30]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        json.dumps({"format": "other"}),
        json.dumps({"format": "ftstress history 1", "target": "x", "script": [[["f", "("]]]}),
    ],
)
def test_what_is_no_saved_history_is_refused(text, tmp_path):
    file = tmp_path / "saved.json"
    file.write_text(text)
    with pytest.raises(HistoryFormatError, match="no saved history"):
        load(file)
