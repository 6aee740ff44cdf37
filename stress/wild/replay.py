"""Run the saved schedules of this folder again: ``replay.py [--times N] [NUMBER ...]``.

Packages are fetched in the version that the schedule was found with, into a folder that is removed
afterwards; nothing of this project needs them. Exit status 0 when all failed as they did.
"""

import argparse
import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def assigned(program: Path, name: str) -> list[str]:
    """What a program assigns to a name, read without running it; empty without."""
    for statement in ast.parse(program.read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            value = statement.value
            return [value.id] if isinstance(value, ast.Name) else list(ast.literal_eval(value))
    return []


def run(program: Path, *words: str) -> tuple[int, str]:
    """An ftstress command with the program's packages: its exit status, and what it said last."""
    with tempfile.TemporaryDirectory() as packages:
        needed = assigned(program, "REQUIREMENTS")
        if needed:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", packages]
            subprocess.run([*pip, *needed], check=True)
        ended = subprocess.run(
            [sys.executable, "-m", "ftstress", *words],
            cwd=HERE,
            env={**os.environ, "PYTHONPATH": packages},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = (ended.stdout or ended.stderr).strip().splitlines()
        return ended.returncode, lines[-1] if lines else "nothing"


def recorded(program: Path) -> tuple[bool, str]:
    """Look for a failing schedule and save it; whether there was one."""
    (test,) = assigned(program, "TEST")
    modules = [word for name in assigned(program, "MODULES") for word in ("--modules", name)]
    output = ("--output", program.with_suffix(".json").name)
    status, said = run(program, "explore", f"{program.name}:{test}", *modules, *output)
    return status == 1, said


def replayed(program: Path, times: int) -> tuple[bool, str]:
    """Whether every run of the saved schedule failed as it did."""
    status, said = run(program, "replay", program.with_suffix(".json").name, "--times", str(times))
    return status == 0, said


def main() -> int:
    """All, or those whose numbers are given."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("numbers", nargs="*", help="as the programs' names begin: 07")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--record", action="store_true", help="look for the schedules anew")
    options = parser.parse_args()
    failed = 0
    for program in sorted(HERE.glob("[0-9]*.py")):
        if options.numbers and program.name[:2] not in options.numbers:
            continue
        same, said = recorded(program) if options.record else replayed(program, options.times)
        failed += not same
        print(f"{program.stem:28} {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
