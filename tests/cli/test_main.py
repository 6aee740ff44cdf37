"""The command group: help, version, and what each command costs to start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from ftbridge import __version__
from ftbridge.cli.main import cli


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_lists_the_commands_in_order_of_use() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    places = [result.output.index(f"  {name} ") for name in ("serve", "tools", "call", "doctor")]
    assert places == sorted(places)


@pytest.mark.parametrize("command", ["serve", "tools", "call", "doctor"])
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_version_names_the_interpreter() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert __version__ in result.output
    assert sys.version.split()[0] in result.output


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli, ["sevre"])
    assert result.exit_code == 2
    assert "sevre" in result.output


def test_help_imports_neither_transport_nor_rich() -> None:
    code = (
        "import sys\n"
        "from ftbridge.cli.main import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "print([m for m in ('ftbridge.rpc', 'ftbridge.wire', 'rich', 'numpy') if m in sys.modules])"
    )
    assert python("-c", code).stdout.splitlines()[-1] == "[]"


def test_serve_does_not_import_rich() -> None:
    code = (
        "import sys\n"
        "import ftbridge.cli.serve, ftbridge.cli.selfcheck\n"
        "print([m for m in ('rich', 'ftbridge.cli.doctor', 'grpc') if m in sys.modules])"
    )
    child = python("-c", code)
    assert child.stdout.splitlines()[-1:] == ["[]"], child.stderr


def test_python_m_is_the_same_command() -> None:
    child = python("-m", "ftbridge", "--version")
    assert child.returncode == 0
    assert child.stdout.startswith(f"ftbridge {__version__}")


def test_completion_is_there() -> None:
    child = python(
        "-m",
        "ftbridge",
        _FTBRIDGE_COMPLETE="bash_complete",
        COMP_WORDS="ftbridge se",
        COMP_CWORD="1",
    )
    assert "serve" in child.stdout
