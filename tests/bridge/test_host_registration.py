from __future__ import annotations

import pytest

from ftbridge.bridge.host_registration import registrations, worker_id_from_ready_file
from ftbridge.bridge.naming import check_metadata
from ftbridge.wire import messages as m


class Adapter:
    pass


@pytest.mark.parametrize(
    ("path", "worker_id"),
    [
        ("/tmp/snakepit_ready_default_worker_1_42_7", "default_worker_1_42"),
        ("snakepit_ready_my.pool-2_worker_3_5_-576460752", "my.pool-2_worker_3_5"),
        ("/tmp/snakepit_ready_w_1/other", ""),
        ("/tmp/ready_w_1", ""),
        ("/tmp/snakepit_ready_worker", ""),
        ("", ""),
    ],
)
def test_the_worker_id_is_in_the_ready_files_name(path, worker_id):
    assert worker_id_from_ready_file(path) == worker_id


def test_registrations_say_where_the_tool_comes_from():
    spec = m.ToolSpec(
        name="add",
        description="Add.",
        parameters=[m.ParameterSpec(name="a")],
        metadata={"team": "x"},
        supports_streaming=True,
    )
    [made] = registrations([spec], Adapter)
    assert (made.name, made.description, made.supports_streaming) == ("add", "Add.", True)
    assert made.parameters == spec.parameters
    assert made.metadata == {"adapter_class": "Adapter", "module": __name__, "team": "x"}
    assert spec.metadata == {"team": "x"}


@pytest.mark.parametrize(
    "metadata", [{f"k{n}": "v" for n in range(32)}, {"k": "v" * 4040}], ids=["entries", "bytes"]
)
def test_what_the_tool_itself_says_goes_first_where_room_is_short(metadata):
    [made] = registrations([m.ToolSpec(name="add", metadata=metadata)], Adapter)
    assert "adapter_class" not in made.metadata
    assert made.metadata.items() <= metadata.items()
    # The host adds an entry of its own before it counts.
    check_metadata("add", {**made.metadata, "supports_streaming": "false"})
