"""Tests of ``tools.setup_lib.locking``: two processes, ordered by pipes, never by time."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.setup_lib.console import Console
from tools.setup_lib.errors import SetupError
from tools.setup_lib.locking import exclusive

REPOSITORY = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from tools.setup_lib.console import Console
from tools.setup_lib.locking import exclusive
with exclusive(Path(sys.argv[1]), Console()):
    print("held", flush=True)
    sys.stdin.readline()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_second_one_waits_for_the_first_and_says_so(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "new" / "lock"
    stream = io.StringIO()
    with hold(path) as holder:
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            # The first pause proves that the lock was refused; only then is it let go.
            pauses.append(seconds)
            holder.communicate("\n")

        with exclusive(path, Console(stream), pause=pause):
            assert holder.returncode == 0
        assert len(pauses) == 1
    assert f"another set-up is at work in {path}; waiting for it" in stream.getvalue()


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    with hold(tmp_path / "lock") as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        stream = io.StringIO()
        with exclusive(tmp_path / "lock", Console(stream)):
            assert stream.getvalue() == ""


def test_a_child_that_inherits_the_lock_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with exclusive(path, Console(io.StringIO())) as descriptor:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(descriptor,))
    with child:
        pauses = []

        def pause(_seconds: float) -> None:
            pauses.append(1)
            child.communicate()

        with exclusive(path, Console(io.StringIO()), pause=pause):
            assert pauses == [1]


def test_the_descriptor_does_not_outlive_an_exec(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock", Console(io.StringIO())) as descriptor:
        assert not os.get_inheritable(descriptor)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(SetupError, match="cannot be locked \\(No locks available\\)"),
        exclusive(tmp_path / "lock", Console(io.StringIO())),
    ):
        pass
