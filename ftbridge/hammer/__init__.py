"""Hammering an adapter through its server, and what an author tells the hammer.

`python -m ftstress run pkg.mod:Adapter` serves the adapter in a process of its own, with the race
detector inside, and calls every tool beside every other; `python -m ftstress run HOST:PORT` does
so to a server that is already there (docs/stress-served.md). Here is what an adapter's module
imports, so that this module must stay as light as it is: the rest of the room is imported by
`ftstress` when such a target is named.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["INVARIANT_ATTRIBUTE", "invariant"]

INVARIANT_ATTRIBUTE: Final = "_ft_invariant"


def invariant[F: Callable[..., object]](method: F) -> F:
    """Declare that a method of an adapter says whether all is well: it raises when it is not.

    It is called when no tool is running, on an instance as a request would get it, with nothing, or
    with the calls that were made since the last time (a list of `ftbridge.hammer.records.Call`)
    where it takes an argument. Returning False is a failure too.

        @invariant
        def totals_agree(self, calls):
            sold = sum(call.value for call in calls if call.tool == "sell" and call.error is None)
            assert self.sold_before + sold == self.sold
    """
    setattr(method, INVARIANT_ATTRIBUTE, True)
    return method
