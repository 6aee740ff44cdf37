"""The streaming patterns."""

import json

from guide.harness import block, served

AROUND = """import time

import numpy as np
from ftbridge import StreamChunk
from snakepit_bridge.base_adapter import BaseAdapter, tool


class Fragment(BaseAdapter):
"""


def chunks(folder, name, tool, **arguments):
    with served(folder, "Fragment", AROUND, block(name, 4), serialize=True) as (client, _):
        assert client.tools()[tool].supports_streaming
        found = client.stream(tool, **arguments)
    assert [chunk.chunk_id for chunk in found] == [f"{tool}-{n + 1}" for n in range(len(found))]
    return [(json.loads(chunk.data), chunk.is_final) for chunk in found]


def test_enabling_streaming(tmp_path):
    assert chunks(tmp_path, "stream_data.py", "stream_data", count=2) == [
        ({"index": 1, "total": 2}, False),
        ({"index": 2, "total": 2}, True),
    ]


def test_progress_updates(tmp_path):
    assert chunks(tmp_path, "long_operation.py", "long_operation", steps=2) == [
        ({"progress": 50.0, "status": "processing"}, False),
        ({"progress": 100.0, "status": "processing"}, False),
        ({"status": "complete"}, True),
    ]


def test_large_dataset_generation(tmp_path):
    found = chunks(tmp_path, "generate_dataset.py", "generate_dataset", rows=250)
    assert [len(data["data"]) for data, _ in found] == [100, 100, 50]
    assert all(len(row) == 10 for data, _ in found for row in data["data"])
    assert [final for _, final in found] == [False, False, True]
