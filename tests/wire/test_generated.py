"""What is committed is what the generator writes, and needs no protobuf to run."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(
    importlib.util.find_spec("grpc_tools") is None or importlib.util.find_spec("ruff") is None,
    reason="the generator needs grpcio-tools and ruff: the GIL twin's environment has them",
)
def test_generated_files_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.codegen", "--check"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_at_run_time_imports_protobuf_or_numpy() -> None:
    program = """
import sys, types
sys.modules["google"] = sys.modules["numpy"] = None  # importing them now fails
package = types.ModuleType("ftbridge")
package.__path__ = [sys.argv[1]]
sys.modules["ftbridge"] = package  # the wire package alone, without what ftbridge itself imports
from ftbridge.wire import descriptors, health, messages, reflection, values
values.to_result({"a": [1, (2, 3)]})
print(*sorted(name for name in sys.modules if name.startswith("ftbridge.")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "ftbridge")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert all(name.startswith("ftbridge.wire") for name in done.stdout.split())
