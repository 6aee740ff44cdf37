"""The fixture of the set-up's tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.fake_machine import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine with nothing on it; the process's environment is its environment."""
    made = Machine(tmp_path / "a machine")
    monkeypatch.setenv("PATH", str(made.bin))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in ("CC", "FTBRIDGE_PYTHON", "FTBRIDGE_PGO", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    assert os.environ["PATH"] == str(made.bin)
    yield made
    made.close()
