"""The gate of `--serialize`: one call inside, and calls that give up let others through."""

from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.errors import ToolCancelledError
from ftbridge.adapters.gate import Gate
from ftstress.suites._threads import together

MODULES = ("ftbridge.adapters.gate", "ftbridge.adapters.context")


def one_call_inside() -> None:
    gate, count = Gate(), [0]

    def call() -> None:
        gate.enter(SessionContext())
        count[0] += 1
        gate.leave()

    together(call, call, call)
    assert count == [3]


def a_cancelled_call_lets_others_through() -> None:
    gate, done = Gate(), [0]
    given_up = SessionContext()

    def call() -> None:
        gate.enter(SessionContext())
        done[0] += 1
        gate.leave()

    def hasty() -> None:
        try:
            gate.enter(given_up)
        except ToolCancelledError:
            return
        done[0] += 1
        gate.leave()

    together(call, hasty, given_up.cancel, call)
    assert done[0] in (2, 3)
    gate.enter(SessionContext())
