"""The guide's Elixir, run by Elixir against stand-ins for the host's modules."""

import os
import shutil
import subprocess

import pytest
from guide.harness import WAIT_SECONDS, block

ELIXIR = shutil.which("elixir")

STAND_INS = """
defmodule Snakepit.Bridge.ToolRegistry do
  def register_elixir_tool(session_id, name, handler, metadata) do
    IO.puts("#{session_id} #{name} #{handler.(%{"data" => 1})} #{inspect(Enum.sort(metadata))}")
  end
end

defmodule MyModule do
  def validate_schema(parameters), do: "validated:#{map_size(parameters)}"
end

session_id = "s1"
"""


@pytest.mark.skipif(ELIXIR is None, reason="no elixir (Debian: apt-get install elixir)")
def test_registering_elixir_tools(tmp_path):
    script = tmp_path / "register.exs"
    script.write_text(STAND_INS + block("register_elixir_tool.exs"))
    done = subprocess.run(
        [str(ELIXIR), str(script)],
        capture_output=True,
        text=True,
        timeout=3 * WAIT_SECONDS,
        check=True,
        env={**os.environ, "LANG": "C.UTF-8", "ELIXIR_ERL_OPTIONS": "+S 1 +fnu"},
    )
    assert done.stdout == (
        's1 validate_schema validated:1 [description: "Validate data against schema", '
        'exposed_to_python: true, parameters: [%{name: "data", required: true, type: "map"}]]\n'
    )
