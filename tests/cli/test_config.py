"""The file behind `--config`."""

import re

import click
import pytest

from ftbridge.cli.config import parse_config, read_config


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.toml", 'model = "small"\n[limits]\nrows = 3\n'),
        ("c.json", '{"model": "small", "limits": {"rows": 3}}'),
        ("C.JSON", '{"model": "small", "limits": {"rows": 3}}'),
    ],
)
def test_toml_and_json_say_the_same(tmp_path, name, text):
    assert parse_config(write(tmp_path, name, text)) == {"model": "small", "limits": {"rows": 3}}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("c.yaml", "model: small", "suffix '.yaml' says neither .toml nor .json"),
        ("c.toml", "model =\nx = 1", "not TOML: .*line 1"),
        ("c.json", '{"model": }', "not JSON: .*column 11"),
        ("c.json", '{"a": 1, "a": 2}', "'a' is there twice"),
        ("c.json", "[1]", "holds list"),
        ("c.json", "[" * 100_000, "nested too deep"),
        ("c.json", b'{"a": "\xff"}', "not UTF-8 at byte 7"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, name, text, problem):
    path = write(tmp_path, name, text)
    with pytest.raises(ValueError, match=problem):
        parse_config(path)
    with pytest.raises(click.BadParameter, match=re.escape(str(path))):
        read_config(None, None, path)


def test_no_file_is_an_empty_configuration(tmp_path):
    assert read_config(None, None, None) == {}
    with pytest.raises(click.BadParameter, match="No such file"):
        read_config(None, None, tmp_path / "gone.json")
