"""The short form of `tools/bench soak`: as exact, with fewer calls."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from acceptance.process import ROOT

from tools.bench_lib import soak
from tools.bench_lib.soak_load import MIX

pytestmark = pytest.mark.skipif(
    sys._is_gil_enabled(), reason="the soak's verdict wants the GIL off, as a served adapter has it"
)

CALLS = 2000


@pytest.fixture(scope="module")
def result() -> soak.SoakResult:
    return soak.run(
        Path(sys.executable),
        calls=CALLS,
        workers=4,
        root=ROOT,
        life_seconds=50,
        progress=lambda text: None,
    )


def test_after_a_soak_the_server_is_what_it_was(result):
    assert result.ok, "\n".join(result.lines())


def test_every_kind_of_call_was_made(result):
    assert set(result.calls) == set(MIX)
    assert sum(result.calls.values()) == CALLS
