"""The fixtures are the guide's text, character by character."""

import hashlib

import pytest
from guide.harness import BLOCKS

# Taken from the guide when its blocks were stored: whoever changes one has to say so here.
DIGESTS = {
    "acquire_lock.py": "cc5f54d417b8a859",
    "base_adapter_inheritance.py": "2044a0956488eb2c",
    "call_elixir_tool.py": "b53a0498dd43e0c3",
    "complete_example.py": "6765ec568331aea2",
    "elixir_tools_proxy.py": "dc76554942e434fa",
    "generate_dataset.py": "76a9f09a0d5ec5b6",
    "long_operation.py": "08ca5027c4cb72cb",
    "ml_pipeline.py": "58d1461ae826ffe3",
    "per_request_lifecycle.py": "e4f61cfed5cd57d6",
    "pool.exs": "f2f5723d22f219ed",
    "process_with_validation.py": "402f844ee137776f",
    "register_elixir_tool.exs": "865c8f172ae88fe5",
    "scaffold.sh": "6c469bdd587ed7fe",
    "session_id.py": "883ef5dfacd065f8",
    "stream_data.py": "3c74be9e082f446e",
    "thread_local_storage.py": "b123a800af726f6a",
    "thread_safe_adapter.py": "de0a96faca9decfa",
    "thread_safe_method.py": "141c98fb777db5f8",
    "tool_decorator.py": "478825c8f71ed2af",
}


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_a_block_is_unedited(name):
    assert hashlib.sha256((BLOCKS / name).read_bytes()).hexdigest()[:16] == DIGESTS[name]


def test_no_block_is_without_its_digest():
    assert sorted(path.name for path in BLOCKS.iterdir()) == sorted(DIGESTS)
