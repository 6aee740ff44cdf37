"""Tests of ``tools.setup_lib.toolchain``."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.fake_machine import Machine
from tools.setup_lib import toolchain
from tools.setup_lib.errors import SetupError
from tools.setup_lib.toolchain import accepts, check_space, check_toolchain


def lacking(*headers: str) -> Callable[..., bool]:
    """A compiler that accepts all but ``headers``."""
    return lambda _compiler, program, link=False: not any(name in program for name in headers)


def test_nothing_missing(machine: Machine) -> None:
    machine.script("cc", ":")
    found = check_toolchain(accepts=lacking())
    assert found.compiler == "cc"
    assert found.missing_optional == ()


def test_all_missing_packages_are_in_one_line(machine: Machine) -> None:
    machine.script("gcc", ":")
    (machine.bin / "make").unlink()
    (machine.bin / "patch").unlink()
    with pytest.raises(SetupError) as caught:
        check_toolchain(accepts=lacking("openssl/ssl.h", "ffi.h", "sqlite3.h"))
    assert str(caught.value).endswith("apt-get install make patch libssl-dev libffi-dev")


def test_without_a_compiler_the_headers_are_named_too(machine: Machine) -> None:
    with pytest.raises(SetupError, match=r"gcc libc6-dev zlib1g-dev libssl-dev libffi-dev$"):
        check_toolchain()


def test_a_compiler_without_the_c_library_is_none(machine: Machine) -> None:
    machine.script("gcc", "exit 1")
    with pytest.raises(SetupError, match="gcc libc6-dev"):
        check_toolchain()


def test_optional_headers_do_not_stop_the_build(machine: Machine) -> None:
    machine.script("cc", ":")
    found = check_toolchain(accepts=lacking("sqlite3.h", "lzma.h"))
    assert found.missing_optional == ("libsqlite3-dev", "liblzma-dev")


def test_the_compiler_that_was_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "clang -m64")
    assert toolchain.compiler_name() == "clang -m64"


@pytest.mark.skipif(shutil.which("cc") is None, reason="apt-get install gcc libc6-dev")
def test_a_real_compiler_tells_headers_apart() -> None:
    assert accepts("cc", "#include <stdio.h>\n")
    assert not accepts("cc", "#include <ftbridge/no-such-header.h>\n")
    assert accepts("cc", "int main(void){return 0;}", link=True)
    assert not accepts("cc", "int main(void){return missing();}", link=True)


def test_space(tmp_path: Path) -> None:
    check_space(tmp_path / "not" / "yet" / "there", 0, "testing")
    with pytest.raises(SetupError, match=r"testing needs 1000000000 MB in .* MB are free"):
        check_space(tmp_path, 10**9, "testing")
