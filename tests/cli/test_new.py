from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.process import served_adapter
from click.testing import CliRunner

from ftbridge import testing
from ftbridge.cli.main import cli
from ftbridge.client import Client


def invoke(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(cli, ["new", *arguments])
    assert result.exit_code == status, result.output
    return result.output


def test_it_says_what_it_wrote_and_what_to_do_next(tmp_path):
    out = invoke("my_adapter", "--thread-safe", "--streaming", "--dir", str(tmp_path / "in"))
    folder = tmp_path / "in/my_adapter"
    for file in ("adapter.py", "handlers/numbers.py", "tests/test_adapter.py", "config.toml"):
        assert (folder / file).is_file()
        assert f"  {file}\n" in out
    assert f"cd {folder}" in out
    assert "--adapter my_adapter.adapter.MyAdapter" in out


def test_a_second_time_is_refused(tmp_path):
    invoke("pack", "--dir", str(tmp_path))
    before = (tmp_path / "pack/adapter.py").stat().st_mtime_ns
    assert "nothing is overwritten" in invoke("pack", "--dir", str(tmp_path), status=1)
    assert (tmp_path / "pack/adapter.py").stat().st_mtime_ns == before


def test_a_bad_name_is_refused_with_a_better_one(tmp_path):
    assert "'my_pack' would do" in invoke("my-pack", "--dir", str(tmp_path), status=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", [True, False])
def test_it_serves_from_its_folder_and_from_the_one_above(tmp_path, inside):
    invoke("pack", "--streaming", "--dir", str(tmp_path))
    folder = tmp_path / "pack" if inside else tmp_path
    config = str(tmp_path / "pack/config.toml")
    with (
        served_adapter("pack.adapter.PackAdapter", folder, "--config", config) as server,
        Client(server.address, timeout=20.0) as client,
    ):
        assert client.call("greet", name="Ada") == "Hello, Ada!"
        assert list(client.stream("count_up", to=2)) == [{"number": 1}, {"number": 2}]
        with pytest.raises(testing.ToolError, match="empty"):
            client.call("greet", name="")


def test_help_names_it():
    assert "new" in CliRunner().invoke(cli, ["--help"]).output


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    out = invoke("pack", "--dir", str(tmp_path / "file/in"), status=1)
    assert "cannot write" in out
    assert Path(tmp_path / "file").read_text() == ""
