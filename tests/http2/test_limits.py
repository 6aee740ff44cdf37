"""The bounds of a connection are checked where they are made."""

import pytest

from ftbridge.http2 import Limits


def test_defaults_are_valid() -> None:
    assert Limits().max_concurrent_streams == 4096


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_frame_size", 16_383),
        ("max_frame_size", 2**24),
        ("initial_window_size", -1),
        ("initial_window_size", 2**31),
        ("connection_window", 65_534),
        ("max_concurrent_streams", -1),
        ("max_header_list_size", 0),
        ("header_table_size", -1),
        ("max_header_block_frames", -1),
        ("max_reset_rate", -1),
        ("reset_burst", -1),
        ("max_control_frames", 0),
        ("max_empty_frames", 0),
        ("max_outgoing_control", 0),
        ("window_update_burst", 0),
    ],
)
def test_impossible_values_are_named(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}={value}"):
        Limits(**{name: value})
