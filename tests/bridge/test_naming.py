from __future__ import annotations

import pytest

from ftbridge.bridge.naming import NameRuleError, check_metadata, check_name


@pytest.mark.parametrize("name", ["a", "0", "A-b_c.d", "x" * 64])
def test_names_the_host_takes(name):
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "_x", "-x", ".x", "a b", "a/b", "a\n", "x" * 65, "\u00e9", "a\u0661", "\ud800"]
)
def test_names_the_host_refuses(name):
    with pytest.raises(NameRuleError, match="invalid_tool_name"):
        check_name(name)


def test_metadata_bounds():
    check_metadata("t", {})
    check_metadata("t", {str(n): "" for n in range(32)})
    # 6 for the map, 10 for the entry, 1 for the key.
    check_metadata("t", {"k": "v" * (4096 - 17)})
    with pytest.raises(NameRuleError, match="33 entries"):
        check_metadata("t", {str(n): "" for n in range(33)})
    with pytest.raises(NameRuleError, match="4097 bytes"):
        check_metadata("t", {"k": "v" * (4096 - 16)})
