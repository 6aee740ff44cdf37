"""The session context."""

from guide.harness import SESSION, block, served

AROUND = """from snakepit_bridge.base_adapter import BaseAdapter, tool


class Fragment(BaseAdapter):
"""


def test_accessing_session_id(tmp_path):
    with served(tmp_path, "Fragment", AROUND, block("session_id.py", 4), serialize=True) as (
        client,
        _,
    ):
        found = client.call("get_session_info", metadata={"user": "ann"})
    assert found == {"session_id": SESSION, "metadata": {"user": "ann"}}
