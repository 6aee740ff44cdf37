"""The guide's table of parameter types, row by row, as published and as they arrive."""

import json

from guide.harness import served

ADAPTER = """import numpy as np
from snakepit_bridge.base_adapter import BaseAdapter, tool


class Table(BaseAdapter):
    @tool
    def kinds(self, s: str, i: int, f: float, b: bool, e: list, m: dict, t: np.ndarray, r: bytes):
        return [
            [type(value).__name__ for value in (s, i, f, b, e, m, t, r)],
            {"s": s, "i": i, "f": f, "b": b, "e": e, "m": m, "r": len(r)},
            [t.shape, t.tolist()],
        ]
"""


def test_the_table_of_types(tmp_path):
    with served(tmp_path, "Table", ADAPTER, serialize=True) as (client, _):
        [spec] = client.tools().values()
        assert {p.name: p.type for p in spec.parameters} == {
            "s": "string",
            "i": "integer",
            "f": "float",
            "b": "boolean",
            "e": "embedding",
            "m": "map",
            "t": "tensor",
            "r": "binary",
        }
        values = {
            "s": "h\u00e9",
            "i": 2**63 - 1,
            "f": 0.1,
            "b": True,
            "e": [1.5, 2.5],
            "m": {"nested": {"deep": [1, None]}},
        }
        names, same, (shape, data) = client.call(
            "kinds", **values, t=[[1, 2], [3, 4]], binary={"r": b"\x00\xff"}
        )
    assert names == ["str", "int", "float", "bool", "list", "dict", "ndarray", "bytes"]
    assert same == {**values, "r": 2}
    assert (shape, data) == ([2, 2], [[1, 2], [3, 4]])


def test_arguments_that_do_not_fit_are_named_all_at_once(tmp_path):
    with served(tmp_path, "Table", ADAPTER, serialize=True) as (client, _):
        response = client.response("kinds", s=1, i=True, f="x", b=0, e={}, m=[], t="t", more=1)
    message = json.loads(response.error_message)["message"]
    for name in ("'s'", "'i'", "'f'", "'b'", "'e'", "'m'", "'t'", "missing 'r'", "unknown 'more'"):
        assert name in message, name
