"""Is there an order of the calls, one at a time, that explains what they returned?

A history is *linearizable* (Herlihy and Wing, TOPLAS 1990) if each of its operations can be given a
moment between call and return at which it happened, so that a sequential model, taken through these
moments, returns what was seen. The search is Wing and Gong's (J. Parallel Distrib. Comput. 17,
1993), which never looks at a set of done operations with the same model state twice (Lowe, Concurr.
Comput. 29, 2017). Independent parts, such as the keys of a dictionary, are searched one by one
(P-compositionality: Horn and Kroening, FORTE 2015): a history of them is linearizable if and only
if each part's is.

Must never run anything but the model.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Operation:
    """One call in a history.

    Args:
        thread: number of the thread that made it, from 0.
        result: what it returned; the type of an exception that it raised.
        invoked: a moment not after the call; `returned`: one not before the return. Any clock
            will do, if it is the same for all threads and never goes back. Operations that share a
            stamp are taken for concurrent. `returned` is None where it never returned: it may then
            have happened at any moment since, or not at all.
        key: which independent part it works on; None: on the whole.
        is_stuck: it has not returned although nothing else was left to happen: it must be one
            that cannot go on.
    """

    thread: int
    name: str
    arguments: tuple[object, ...]
    result: object
    invoked: int
    returned: int | None
    key: Hashable = None
    is_stuck: bool = False

    def __str__(self) -> str:
        call = f"{self.name}({', '.join(map(repr, self.arguments))})"
        if self.returned is None:
            return f"{call} -> ?"
        if isinstance(self.result, type) and issubclass(self.result, BaseException):
            return f"{call} raises {self.result.__name__}"
        return f"{call} -> {self.result!r}"


class Spec[S: Hashable](Protocol):
    """The sequential model, as the search needs it."""

    def initial(self) -> S:
        """The state before everything."""

    def step(self, state: S, operation: Operation) -> tuple[object, S] | None:
        """What the operation returns in that state, and the state after; None: it has to wait."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check.

    Args:
        order: the operations in an order that explains them; None where there is none.
        history: what was checked: the part that cannot be explained, where there are parts.
        longest: where there is no order, the longest beginning of one, and
        refused: the operations that could come next, each with what the model says instead of what
            was seen (None: the model makes it wait).
        visited: pairs of done operations and model state that were looked at.
    """

    order: tuple[Operation, ...] | None
    history: tuple[Operation, ...]
    longest: tuple[Operation, ...] = ()
    refused: tuple[tuple[Operation, object], ...] = ()
    visited: int = 0

    @property
    def is_linearizable(self) -> bool:
        return self.order is not None


class Waits:
    """What stands for the answer of an operation that the model makes wait."""

    def __repr__(self) -> str:
        return "waits"


WAITS = Waits()


def check[S: Hashable](history: Iterable[Operation], spec: Spec[S]) -> Verdict:
    """Look for an order. Exponential at worst in the number of operations that overlap.

    Where all operations have a key, each key's are searched by themselves.
    """
    parts = partitioned(history)
    order: list[Operation] = []
    visited = 0
    for part in parts:
        verdict = _search(part, spec)
        visited += verdict.visited
        if verdict.order is None:
            return Verdict(None, part, verdict.longest, verdict.refused, visited)
        order += verdict.order
    whole = tuple(operation for part in parts for operation in part)
    return Verdict(tuple(order), whole, visited=visited)


def partitioned(history: Iterable[Operation]) -> list[tuple[Operation, ...]]:
    """By key, where every operation has one; else the whole as one part."""
    operations = sorted(history, key=lambda operation: operation.invoked)
    if any(operation.key is None for operation in operations):
        return [tuple(operations)]
    parts: dict[Hashable, list[Operation]] = {}
    for operation in operations:
        parts.setdefault(operation.key, []).append(operation)
    return [tuple(part) for part in parts.values()]


class _Node[S: Hashable]:
    """A state that the search stands in: what is done, and what it has not tried from there."""

    __slots__ = ("done", "index", "state", "untried")

    def __init__(self, done: int, state: S, untried: list[int], index: int) -> None:
        self.done = done  # bit i: operation i
        self.state = state
        self.untried = untried
        self.index = index  # of the operation that led here


def _search[S: Hashable](operations: tuple[Operation, ...], spec: Spec[S]) -> Verdict:
    must = sum(1 << index for index, each in enumerate(operations) if each.returned is not None)
    stuck = [operation for operation in operations if operation.is_stuck]
    start = spec.initial()
    seen: set[tuple[int, S]] = {(0, start)}
    path = [_Node(0, start, _next(operations, 0), -1)]
    longest: list[int] | None = None
    refused: list[tuple[Operation, object]] = []
    while path:
        node = path[-1]
        if node.done & must == must and _all_wait(stuck, node.state, spec):
            order = tuple(operations[each.index] for each in path[1:])
            return Verdict(order, operations, visited=len(seen))
        if not node.untried:
            # What stops the longest beginning is the best explanation there is.
            if longest is None or len(path) - 1 > len(longest):
                longest = [each.index for each in path[1:]]
                refused = _refused(operations, node, spec, stuck, must)
            path.pop()
            continue
        index = node.untried.pop()
        operation = operations[index]
        answer = spec.step(node.state, operation)
        if answer is None:
            continue
        result, state = answer
        if operation.returned is not None and not same(result, operation.result):
            continue
        reached = (node.done | 1 << index, state)
        if reached not in seen:
            seen.add(reached)
            path.append(_Node(*reached, _next(operations, reached[0]), index))
    beginning = tuple(operations[each] for each in longest or ())
    return Verdict(None, operations, beginning, tuple(refused), len(seen))


def _next(operations: Sequence[Operation], done: int) -> list[int]:
    """Who may come next: nobody that is not done returned before their call. Last one first."""
    found = []
    horizon: int | None = None
    for index, operation in enumerate(operations):  # in the order of their calls
        if done >> index & 1:
            continue
        if horizon is not None and operation.invoked > horizon:
            break
        if not operation.is_stuck:
            found.append(index)
        if operation.returned is not None and (horizon is None or operation.returned < horizon):
            horizon = operation.returned
    found.reverse()
    return found


def _all_wait[S: Hashable](stuck: list[Operation], state: S, spec: Spec[S]) -> bool:
    return all(spec.step(state, operation) is None for operation in stuck)


def _refused[S: Hashable](
    operations: Sequence[Operation],
    node: _Node[S],
    spec: Spec[S],
    stuck: list[Operation],
    must: int,
) -> list[tuple[Operation, object]]:
    found: list[tuple[Operation, object]] = []
    for index in _next(operations, node.done):
        operation = operations[index]
        answer = spec.step(node.state, operation)
        if answer is None:
            found.append((operation, WAITS))
        elif operation.returned is not None and not same(answer[0], operation.result):
            found.append((operation, answer[0]))
    if node.done & must == must:
        for operation in stuck:
            answer = spec.step(node.state, operation)
            if answer is not None:
                found.append((operation, answer[0]))
    found.reverse()
    return found


def same(a: object, b: object) -> bool:
    """Whether two results are equal; an exception's type only equals itself."""
    return a is b or ((type(a) is type(b) or not isinstance(a, type)) and bool(a == b))


def shortened[S: Hashable](history: Iterable[Operation], spec: Spec[S]) -> tuple[Operation, ...]:
    """The least of a history that cannot be explained, in which each operation really occurred.

    Only the failing key's; only up to the first return that cannot be explained (every beginning
    of a linearizable history is one, so that the first bad one is where it goes wrong; calls under
    way then are pending); and without operations that, in the model, change nothing and are not
    needed. Others cannot be left out: without a `put`, the `get` that saw it would look wrong.
    The history itself where it can be explained.
    """
    verdict = check(history, spec)
    if verdict.order is not None:
        return tuple(history)
    operations = list(verdict.history)
    moments = sorted({each.returned for each in operations if each.returned is not None})
    low, high = 0, len(moments)
    while low < high:
        middle = (low + high) // 2
        if _search(_until(operations, moments[middle]), spec).order is None:
            high = middle
        else:
            low = middle + 1
    if low < len(moments):
        operations = list(_until(operations, moments[low]))
    for operation in list(operations):
        rest = [each for each in operations if each is not operation]
        if _changes_nothing(operation, operations, spec) and not (
            _search(tuple(rest), spec).is_linearizable
        ):
            operations = rest
    return tuple(operations)


def _until(operations: Sequence[Operation], moment: int) -> tuple[Operation, ...]:
    return tuple(
        each
        if each.returned is not None and each.returned <= moment
        else replace(each, returned=None, result=None, is_stuck=False)
        for each in operations
        if each.invoked <= moment
    )


def _changes_nothing[S: Hashable](
    operation: Operation, operations: Sequence[Operation], spec: Spec[S]
) -> bool:
    """In every state that the operations can lead to, in any order."""
    reached = {spec.initial()}
    fresh = list(reached)
    while fresh:
        state = fresh.pop()
        for each in operations:
            answer = spec.step(state, each)
            if answer is None or answer[1] == state:
                continue
            if each is operation:
                return False
            if answer[1] not in reached and len(reached) < _STATES:
                reached.add(answer[1])
                fresh.append(answer[1])
    return True


_STATES = 1000  # a model with more is not asked further


def linearizable[S: Hashable](history: Iterable[Operation], spec: Spec[S]) -> bool:
    """`check()`, where only the answer is of interest."""
    return check(history, spec).is_linearizable
