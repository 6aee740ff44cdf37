"""The forms in which tools yield chunks."""

from types import SimpleNamespace

import pytest

from ftbridge import StreamChunk
from ftbridge.adapters.chunks import to_chunk


def test_a_chunk_passes_unchanged():
    chunk = StreamChunk({"n": 1}, is_final=True)
    assert to_chunk(chunk) is chunk


@pytest.mark.parametrize(
    ("item", "chunk"),
    [
        ({"data": 1, "is_final": True}, StreamChunk(1, True)),
        ({"data": 1, "is_final": 0, "metadata": {"k": "v"}}, StreamChunk(1, False, {"k": "v"})),
        (SimpleNamespace(data=1, is_final=True), StreamChunk(1, True)),
        (
            SimpleNamespace(data=1, is_final=False, metadata={"k": "v"}),
            StreamChunk(1, False, {"k": "v"}),
        ),
        # A dict that only resembles a chunk is data.
        ({"data": 1}, StreamChunk({"data": 1})),
        (
            {"data": 1, "is_final": True, "rows": 2},
            StreamChunk({"data": 1, "is_final": True, "rows": 2}),
        ),
        (None, StreamChunk(None)),
        ("text", StreamChunk("text")),
    ],
)
def test_other_forms(item, chunk):
    assert to_chunk(item) == chunk


def test_data_comes_first_and_the_rest_is_optional():
    chunk = StreamChunk({"progress": 10}, is_final=False)
    assert (chunk.data, chunk.is_final, chunk.metadata) == ({"progress": 10}, False, None)
