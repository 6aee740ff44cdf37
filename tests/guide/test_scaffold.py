"""What the guide's generator writes, served with the arguments that the guide gives the pool."""

import ast
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from guide.harness import WAIT_SECONDS, block

# The generator's files, as Snakepit 0.13 writes them: this import line has nothing behind it there.
ADAPTER = """from snakepit_bridge.adapters.base import BaseAdapter, tool


class {name}(BaseAdapter):
    def __init__(self):
        super().__init__()

    @tool(description="Example tool - replace with your own")
    def example(self, payload: dict) -> dict:
        return {{"ok": True, "payload": payload}}
"""


def generated(folder: Path, command: str) -> None:
    """What `mix snakepit.gen.adapter NAME` leaves below priv/python."""
    words = command.split()
    assert words[:2] == ["mix", "snakepit.gen.adapter"]
    package = folder / words[2]
    (package / "handlers").mkdir(parents=True)
    for part in ("", "handlers/"):
        (package / f"{part}__init__.py").touch()
    name = "".join(word.capitalize() for word in words[2].split("_"))
    (package / "adapter.py").write_text(ADAPTER.format(name=name))


def test_a_generated_adapter_serves_with_the_pools_arguments(tmp_path):
    generated(tmp_path, block("scaffold.sh"))
    found = re.fullmatch(r"adapter_args: (\[.*\])\n", block("pool.exs"))
    assert found is not None
    arguments = ast.literal_eval(found[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ftbridge = [sys.executable, "-m", "ftbridge"]
    serve = [*ftbridge, "serve", *arguments, "--serialize", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        serve, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        watchdog = threading.Timer(WAIT_SECONDS, server.kill)
        watchdog.start()
        try:
            assert server.stdout is not None
            banner = next(line for line in server.stdout if line.startswith("Serving"))
            assert banner.startswith("Serving MyAdapter (1 tools) on ")
            call = [*ftbridge, "call", "example", 'payload={"a": 1}']
            address = banner.split()[-1]
            done = subprocess.run(
                [*call, "--address", address],
                capture_output=True,
                text=True,
                timeout=WAIT_SECONDS,
                env=environment,
                check=True,
            )
            assert json.loads(done.stdout) == {"ok": True, "payload": {"a": 1}}
        finally:
            watchdog.cancel()
            server.kill()
