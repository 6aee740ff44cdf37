"""The programs in `docs/deadlocks.md` print what the page says they do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "deadlocks.md").read_text("utf-8")
BLOCKS = re.findall(r"```(?:python|text)\n(.*?)```", TEXT, re.DOTALL)


def shown(text, folder=""):
    """Without what differs from run to run."""
    text = text.replace(f"{folder}/", "") if folder else text
    text = re.sub(r"\(\d{6,}\)", "(IDENT)", text)
    return re.sub(r"waited \d+\.\d s", "waited N s", text).strip()


def run(name, tmp_path):
    (program,) = [block for block in BLOCKS if block.startswith(f"# {name}\n")]
    (tmp_path / name).write_text(program, "utf-8")
    done = subprocess.run(
        [sys.executable, str(tmp_path / name)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = BLOCKS[BLOCKS.index(program) + 1]
    return shown(done.stdout, tmp_path), shown(expected)


def test_the_inversion_is_reported_as_shown(tmp_path):
    printed, expected = run("shop.py", tmp_path)
    assert printed == expected


def test_the_deadlock_is_reported_as_shown(tmp_path):
    printed, expected = run("bank.py", tmp_path)
    # Which of the two came last is up to the machine.
    swapped = expected.replace("review", "\0").replace("transfer", "review")
    swapped = swapped.replace("\0", "transfer")
    first = printed.splitlines()[0]
    assert first in (expected.splitlines()[0], swapped.splitlines()[0])
    assert set(printed.splitlines()[1:-1]) == set(expected.splitlines()[1:-1])
    assert "broken by DeadlockError in thread" in printed


@pytest.mark.parametrize("option", ["--lock-watchdog", "--break-deadlocks", "--check-lock-order"])
def test_options_are_the_servers(option):
    from ftbridge.cli.serve import serve

    assert option in TEXT
    assert any(option in parameter.opts for parameter in serve.params)
