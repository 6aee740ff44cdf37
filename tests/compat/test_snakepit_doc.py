"""``docs/snakepit.md`` says what is there: imports, files, programs, options."""

import re
from pathlib import Path

import pytest

from ftbridge.compat import launch, python_wrapper, worker
from ftbridge.compat.names import MODULES, PACKAGE

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "snakepit.md").read_text("utf-8")

ROWS = re.findall(rf"^\| `({PACKAGE}[\w.]*)` \| (.+?) \|$", TEXT, re.MULTILINE)


def test_the_table_of_imports_is_the_table_that_is_served():
    listed = {module for module, _ in ROWS}
    assert listed == {name for name, entry in MODULES.items() if entry.offered or entry.mirrors}


@pytest.mark.parametrize(("module", "names"), ROWS)
def test_every_name_of_a_row_is_offered(module, names):
    found = set(re.findall(r"`(\w+)`", names)) - {"base_adapter", "mix"}
    offered = MODULES[module].offered
    assert found <= set(offered) or MODULES[module].mirrors


def test_the_options_it_names_exist():
    parsed = launch.parse(
        ["--adapter", "a.B", "--shared", "--threads", "8", "--compat", "snakepit", "--grace", "1"],
        threaded=False,
        environment={},
    )
    assert parsed.shared
    assert launch.EXTRA_VARIABLE in TEXT


def test_the_figures_of_the_end_are_those_of_the_code():
    total = launch.DEFAULT_GRACE + worker.UNWIND_SECONDS
    assert f"within {total:g} s**, with {launch.DEFAULT_GRACE:g} s for running calls" in TEXT


def test_the_program_is_installed_under_that_name():
    scripts = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'ftbridge-python = "{python_wrapper.__name__}:main"' in scripts
    assert "ftbridge-python" in TEXT


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([\w./]+\.md)\)", TEXT))))
def test_its_links_lead_somewhere(target):
    assert (ROOT / "docs" / target).is_file()
