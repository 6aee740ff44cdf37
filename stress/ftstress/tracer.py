"""Tells of every place that a thread comes to, through `sys.monitoring`.

INSTRUCTION events, not `sys.settrace` with opcodes, which crashes free-threaded CPython 3.13, and
not LINE events, of which the build with a GIL has none for a function of one line (3.13.5): a
schedule would not fit both builds. Only the chosen code objects are watched, and of those that tell
of their accesses themselves only the turns of their loops. Must never decide anything: whoever it
calls may block.
"""

import sys
import types
from collections.abc import Callable
from typing import Final

from ftstress.places import CodeMap, Site
from ftstress.rewriting import is_rewritten

_NAME: Final = "ftstress schedules"
# Tool numbers that no kind of tool is advised to take come first (sys.monitoring has six).
_CANDIDATES: Final = (4, 3, 2, 5, 1, 0)


class Tracer:
    """Calls `reached(site)` on the thread in question, before the place is executed."""

    def __init__(
        self,
        codes: CodeMap,
        reached: Callable[[Site], None],
        turned: Callable[[types.CodeType, int], None] | None = None,
    ) -> None:
        self._codes = codes
        self._reached = reached
        self._turned = turned
        self._tool = -1

    def __enter__(self) -> None:
        monitoring = sys.monitoring
        for tool in _CANDIDATES:
            if monitoring.get_tool(tool) is None:
                break
        else:
            raise RuntimeError("all six tools of sys.monitoring are in use; end one of them first")
        monitoring.use_tool_id(tool, _NAME)
        self._tool = tool
        events = monitoring.events
        monitoring.register_callback(tool, events.INSTRUCTION, self._instruction)
        monitoring.register_callback(tool, events.JUMP, self._jump)
        for code in self._codes.codes.values():
            wanted = events.JUMP if is_rewritten(code) else events.INSTRUCTION
            monitoring.set_local_events(tool, code, wanted)
        monitoring.restart_events()  # a place that an earlier tracer had no use for

    def __exit__(self, *exception: object) -> None:
        monitoring = sys.monitoring
        for code in self._codes.codes.values():
            monitoring.set_local_events(self._tool, code, 0)
        monitoring.register_callback(self._tool, monitoring.events.INSTRUCTION, None)
        monitoring.register_callback(self._tool, monitoring.events.JUMP, None)
        monitoring.free_tool_id(self._tool)

    def _instruction(self, code: types.CodeType, offset: int) -> object:
        site = self._codes.at(code, offset)
        if site is None:
            return sys.monitoring.DISABLE
        self._reached(site)
        return None

    def _jump(self, code: types.CodeType, offset: int, destination: int) -> object:
        if destination > offset or self._turned is None:
            return sys.monitoring.DISABLE
        self._turned(code, destination)
        return None
