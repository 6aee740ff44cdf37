"""The ready file appears whole, and nothing is left beside it."""

import os
import stat

import pytest

from ftbridge.compat.ready import write_ready_file


def test_the_port_and_nothing_else(tmp_path):
    path = tmp_path / "snakepit_ready_pool_worker_1_5"
    write_ready_file(str(path), 40097)
    assert path.read_bytes() == b"40097"
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_written_elsewhere_and_renamed(tmp_path, monkeypatch):
    path = tmp_path / "ready"
    moved = []

    def replace(source, target):
        with open(source, "rb") as partial:  # noqa: PTH123
            moved.append((partial.read(), path.exists(), target))

    monkeypatch.setattr(os, "replace", replace)
    write_ready_file(str(path), 7)
    assert moved == [(b"7", False, str(path))]


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_ready_file(str(tmp_path / "none" / "ready"), 1)
