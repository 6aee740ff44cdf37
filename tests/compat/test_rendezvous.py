"""Who meets whom, and in a folder that nobody else can enter."""

import os
import stat

import pytest

from ftbridge.compat.rendezvous import Rendezvous, UnsafeFolderError


@pytest.fixture
def environment(tmp_path):
    return {"XDG_RUNTIME_DIR": str(tmp_path), "A": "1"}


def test_alike_means_arguments_and_environment_but_for_the_ready_file(environment):
    one = Rendezvous(["--adapter", "a.B"], environment)
    other = {**environment, "SNAKEPIT_READY_FILE": "/tmp/snakepit_ready_w_2"}
    assert Rendezvous(["--adapter", "a.B"], other).key == one.key
    assert Rendezvous(["--adapter", "a.C"], environment).key != one.key
    assert Rendezvous(["--adapter", "a.B"], {**environment, "A": "2"}).key != one.key


def test_the_folder_is_private(environment, tmp_path):
    meeting = Rendezvous([], environment)
    assert meeting.folder == f"{tmp_path}/ftbridge-{os.getuid()}"
    assert stat.S_IMODE(os.stat(meeting.folder).st_mode) == 0o700  # noqa: PTH116
    assert len(meeting.socket_path) < 107


@pytest.mark.parametrize("trap", ["open", "link"])
def test_a_folder_that_others_could_have_made_is_refused(environment, tmp_path, trap):
    path = tmp_path / f"ftbridge-{os.getuid()}"
    if trap == "open":
        path.mkdir()
        path.chmod(0o755)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeFolderError, match="only this user can enter"):
        Rendezvous([], environment)


def test_without_a_runtime_folder_it_is_the_one_for_temporary_files(tmp_path):
    environment = {"XDG_RUNTIME_DIR": str(tmp_path / "none"), "TMPDIR": str(tmp_path)}
    assert Rendezvous([], environment).folder.startswith(f"{tmp_path}/ftbridge-")


def test_one_holds_the_lock_at_a_time(environment):
    first, second = Rendezvous([], environment), Rendezvous([], environment)
    held = first.lock()
    assert held is not None
    assert second.lock(wait=False) is None
    os.close(held)
    taken = second.lock(wait=False)
    assert taken is not None
    os.close(taken)


def test_the_log_is_emptied_at_a_start_and_its_end_can_be_read(environment):
    meeting = Rendezvous([], environment)
    assert meeting.log_tail() == ""
    for text in (b"old", b"new and longer"):
        log = meeting.open_log()
        os.write(log, text)
        os.close(log)
    assert meeting.log_tail(size=6) == "longer"
