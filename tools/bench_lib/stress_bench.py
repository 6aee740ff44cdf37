"""`tools/bench stress`: ftstress beside the other tools that install on 3.13t, on the samples.

Every tool gets every sample's racy and mended form, each in a process of its own, for one time.
The other tools are fetched into a folder that is removed afterwards; one that cannot be fetched is
left out, and said to be. What a form asserts and what it raises counts for every tool.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from .errors import BenchError
from .stress_result import OURS, SlowdownRound, StressResult, Verdict

WORKER: Final = Path(__file__).with_name("stress_worker.py")
REQUIREMENTS: Final = {
    "interleave-test": "interleave-test==0.1.0",
    "racecheck": "racecheck==0.1.0",
    "threadcheck": "threadcheck==0.0.1.2",
    "pytest-run-parallel": "pytest-run-parallel==0.10.0",
}
HANG_SECONDS: Final = 20.0
"""Beyond the time that a tool was given: a sample whose threads wait for each other hangs it."""

_FETCH_SECONDS: Final = 120


def run(
    python: Path,
    *,
    seconds: float,
    rounds: int,
    root: Path,
    parallel: bool,
    progress: Callable[[str], None],
) -> StressResult:
    """All tools on all samples, then the slowdown, `rounds` times plain and detected in turn.

    Raises:
        BenchError: there are no samples, or a run of our own gave no answer.
    """
    # Those that only the litmus or object tests of ftstress can run are left out.
    samples = [
        path
        for path in sorted((root / "stress" / "samples").glob("[0-9]*.py"))
        if "\ndef racy(" in path.read_text("utf-8")
    ]
    if not samples:
        raise BenchError("stress: there are no samples in stress/samples")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": folder}
        missing = [
            name for name, what in REQUIREMENTS.items() if not _fetch(python, what, Path(folder))
        ]
        tools = [*OURS, *(name for name in REQUIREMENTS if name not in missing)]
        verdicts = []
        for number, sample in enumerate(samples, 1):
            progress(f"sample {number} of {len(samples)}: {sample.stem}")
            for form in ("racy", "mended"):
                for tool in tools:
                    words = [tool, str(sample), form, str(seconds)]
                    answer = _answer(python, words, environment, seconds + HANG_SECONDS)
                    verdicts.append(Verdict.of(tool, sample.stem, form, answer))
        turns = []
        for turn in range(rounds):
            progress(f"slowdown, round {turn + 1} of {rounds}")
            turns.append(
                SlowdownRound.of(
                    _answer(python, ["slowdown", "plain"], environment, 60.0),
                    _answer(python, ["slowdown", "detected"], environment, 60.0),
                )
            )
    return StressResult(
        tools=tuple(tools),
        missing=tuple(missing),
        samples=len(samples),
        seconds=seconds,
        verdicts=tuple(verdicts),
        slowdown=tuple(turns),
        parallel=parallel,
    )


def _fetch(python: Path, what: str, folder: Path) -> bool:
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    try:
        ended = subprocess.run(
            [*command, what], capture_output=True, timeout=_FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def _answer(
    python: Path, words: Sequence[str], environment: dict[str, str], limit: float
) -> dict[str, object]:
    """What the worker said; ``hang`` where it had to be ended, ``error`` where it said nothing."""
    try:
        ended = subprocess.run(
            [str(python), str(WORKER), *words],
            capture_output=True,
            text=True,
            env=environment,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"hang": True}
    lines = ended.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {"error": (ended.stderr.strip() or "no answer").splitlines()[-1]}
    return answer if isinstance(answer, dict) else {"error": lines[-1]}
