from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from examples.source_tree import make_library

from ftbridge.examples.paths import SourceFolder


@pytest.fixture
def folder(tmp_path: Path) -> SourceFolder:
    return SourceFolder(make_library(tmp_path))


def names(folder: SourceFolder, files: tuple[Path, ...]) -> list[str]:
    return [folder.name_of(file) for file in files]


def test_the_default_is_the_standard_library() -> None:
    folder = SourceFolder()
    assert folder.root == Path(sysconfig.get_paths()["stdlib"]).resolve()
    assert folder.name_of(folder.file("json/decoder.py")) == "json/decoder.py"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        SourceFolder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "names no file"),
        ("alpha\0.py", "names no file"),
        ("../secret.py", "leaves"),
        ("pack/../../secret.py", "leaves"),
        ("site-packages/foreign.py", "leaves"),
        ("link.py", "leaves"),
        ("linked/secret.py", "leaves"),
        ("loop.py", "does not exist|cannot be followed"),
        ("absent.py", "does not exist"),
        ("dir.py", "does not exist"),
        ("pack", "not a Python source file"),
        ("../../etc/passwd", "not a Python source file"),
        ("x" * 5000 + ".py", "cannot be followed"),
    ],
)
def test_refused_files(folder: SourceFolder, name: str, reason: str) -> None:
    root = folder.root
    (root / "link.py").symlink_to(root.parent / "secret.py")
    (root / "linked").symlink_to(root.parent, target_is_directory=True)
    (root / "loop.py").symlink_to("loop.py")
    (root / "dir.py").mkdir()
    with pytest.raises(ValueError, match=reason) as caught:
        folder.file(name)
    message = str(caught.value)
    assert repr(name[:80])[:-1] in message
    assert "such as 'json/decoder.py'" in message
    assert len(message) < 300


def test_an_absolute_name_is_refused_even_inside_the_folder(folder: SourceFolder) -> None:
    with pytest.raises(ValueError, match="is absolute"):
        folder.file(str(folder.root / "alpha.py"))


def test_a_name_may_go_up_as_long_as_it_stays_inside(folder: SourceFolder) -> None:
    assert folder.file("pack/../alpha.py") == folder.root / "alpha.py"


def test_a_link_that_stays_inside_is_followed(folder: SourceFolder) -> None:
    (folder.root / "alias.py").symlink_to("alpha.py")
    assert folder.name_of(folder.file("alias.py")) == "alpha.py"


def test_the_files_of_a_package(folder: SourceFolder) -> None:
    (folder.root / "pack" / "out.py").symlink_to(folder.root.parent / "secret.py")
    assert names(folder, folder.package("pack")) == [
        "pack/__init__.py",
        "pack/broken.py",
        "pack/inner/deep.py",
        "pack/zeta.py",
    ]
    assert names(folder, folder.package("pack.inner")) == ["pack/inner/deep.py"]
    assert names(folder, folder.package("alpha")) == ["alpha.py"]


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("..", "as in an import"),
        ("", "as in an import"),
        ("pack/inner", "as in an import"),
        ("pack..inner", "as in an import"),
        ("site-packages", "as in an import"),
        ("alhpa", "did you mean 'alpha'"),
        ("_io", "try 'json'"),
        ("linked", "try 'json'"),
        ("x" * 5000, "try 'json'"),
    ],
)
def test_refused_packages(folder: SourceFolder, name: str, way_out: str) -> None:
    (folder.root / "linked").symlink_to(folder.root.parent / "library2")
    (folder.root.parent / "library2").mkdir()
    (folder.root.parent / "library2" / "x.py").touch()
    with pytest.raises(ValueError, match=way_out) as caught:
        folder.package(name)
    assert repr(name[:80])[:-1] in str(caught.value)


def test_the_library_leaves_out_tests_and_installed_packages(folder: SourceFolder) -> None:
    found = names(folder, folder.library())
    assert found == [
        "alpha.py",
        "beta.py",
        "gamma.py",
        "pack/__init__.py",
        "pack/broken.py",
        "pack/inner/deep.py",
        "pack/zeta.py",
    ]
