"""The table of the guide's sections names every block, and tests that exist."""

import re
from pathlib import Path

from guide.harness import BLOCKS

HERE = Path(__file__).parent
TABLE = (HERE.parents[1] / "docs" / "guide-coverage.md").read_text()


def test_every_block_is_in_the_table():
    named = re.findall(r"^\| [^|]+ \| `([^`]+)` \|", TABLE, re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in BLOCKS.iterdir())


def test_every_named_test_exists():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", TABLE)
    assert len(named) >= 20
    for file, test in named:
        assert f"def {test}(" in (HERE / file).read_text(), f"{file}::{test}"
