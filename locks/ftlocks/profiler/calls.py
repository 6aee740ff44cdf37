"""Counts the calls of one function of a program that knows nothing of it, for a what-if.

`sys.monitoring` (PEP 669) tells of every return once; of all functions but the one that is asked
for it is told to be silent from then on, so the program runs at its own speed. Must never keep an
argument or a result.
"""

import sys
from pathlib import PurePath
from types import CodeType
from typing import Any, Final

from ftlocks.counter import ShardedCounter

# Free for anybody; 0 to 2 and 5 are for debuggers, coverage, profilers and optimisers.
_TOOLS: Final = (4, 3)


class CallCounter:
    """How often a function has returned.

    A generator or coroutine function counts when its body ends; one that raises does not count.

    Args:
        name: its qualified name, perhaps after that of its file: "sell", "Shop.sell" or
            "shop.Shop.sell" in shop.py.
    """

    def __init__(self, name: str) -> None:
        if not name:
            raise ValueError("say which function's calls to count")
        self._name = name
        self._count = ShardedCounter()
        self._tool = -1

    def start(self) -> None:
        """Begin. `RuntimeError` when other tools have taken all places for such."""
        monitoring = sys.monitoring
        for tool in _TOOLS:
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, "ftlocks what-if")
                break
        else:
            raise RuntimeError("sys.monitoring has no place left to count calls for --progress")
        self._tool = tool
        monitoring.register_callback(tool, monitoring.events.PY_RETURN, self._returned)
        monitoring.set_events(tool, monitoring.events.PY_RETURN)
        # What an earlier user of this place silenced is silent still. Others may hear some twice.
        monitoring.restart_events()

    def stop(self) -> None:
        """End; no error when it has ended, or not begun."""
        tool, self._tool = self._tool, -1
        if tool >= 0:
            sys.monitoring.set_events(tool, 0)
            sys.monitoring.register_callback(tool, sys.monitoring.events.PY_RETURN, None)
            sys.monitoring.free_tool_id(tool)

    def value(self) -> int:
        """How often so far."""
        return self._count.value()

    def _returned(self, code: CodeType, offset: int, result: object) -> Any:
        if not self._is_asked_for(code):
            return sys.monitoring.DISABLE
        self._count.add()
        return None

    def _is_asked_for(self, code: CodeType) -> bool:
        name = code.co_qualname.replace("<locals>.", "")
        return self._name in (name, f"{PurePath(code.co_filename).stem}.{name}")
