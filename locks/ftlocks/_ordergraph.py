"""Which lock was wanted while which was held, and what that leads to.

The graph of Linux's lockdep (Documentation/locking/lockdep-design.rst): an edge from A to B says
that somebody wanted B while holding A. A path back from B to A means that threads exist, or may
come, that wait for each other in a ring. Two refinements are Havelund's, "Using Runtime Analysis to
Guide Model Checking of Java Programs" (SPIN 2000), the GoodLock algorithm: a ring is harmless when
all of its edges were made under one more lock, which lets only one of the threads get that far;
and one of lockdep's: readers that only meet readers do not wait. Not synchronised: the caller does.
"""

from collections import deque
from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Final

from ftlocks._sites import Site

# Rings longer than this are not looked for: their number grows faster than their likelihood.
MAX_RING: Final = 10
# Steps of one search, so that a program with thousands of locks is not held up.
MAX_STEPS: Final = 20_000


@dataclass(slots=True, eq=False)
class Edge:
    """One lock wanted while another was held, as it was seen the first time.

    `guards` are the ids of the primitives that have been held besides, exclusively, every time.
    """

    source: Hashable
    target: Hashable
    source_read: bool
    target_read: bool
    held: str
    wanted: str
    thread: str
    held_stack: Site
    wanted_stack: Site
    guards: frozenset[int]


class Graph:
    """Edges between nodes of one sort: classes of locks, or single locks of one class."""

    def __init__(self) -> None:
        self._edges: dict[tuple[Hashable, Hashable, bool, bool], Edge] = {}
        self._out: dict[Hashable, list[Edge]] = {}
        self._written: set[Hashable] = set()

    def __len__(self) -> int:
        return len(self._edges)

    def find(self, edge: Edge) -> Edge | None:
        """The one that stands for `edge`, if it has been seen before."""
        return self._edges.get(_key(edge))

    def add(self, edge: Edge) -> None:
        """Enter an edge that `find` does not know."""
        self._edges[_key(edge)] = edge
        self._out.setdefault(edge.source, []).append(edge)

    def remove(self, edge: Edge) -> None:
        """Take an edge back."""
        del self._edges[_key(edge)]
        self._out[edge.source].remove(edge)

    def is_written(self, node: Hashable) -> bool:
        """Whether anybody has taken this one exclusively."""
        return node in self._written

    def write(self, node: Hashable) -> list[tuple[Edge, ...]]:
        """Note that it is taken exclusively; the rings that this makes dangerous.

        Until then its readers could not block each other. From then on they can: a new reader waits
        behind a writer that waits for the old ones.
        """
        self._written.add(node)
        rings = (self.ring(edge) for edge in self._out.get(node, ()) if edge.source_read)
        return [ring for ring in rings if ring]

    def ring(self, first: Edge) -> tuple[Edge, ...]:
        """A shortest ring of edges that begins with `first`, or nothing."""
        seen: set[tuple[int, frozenset[int]]] = set()
        queue: deque[tuple[tuple[Edge, ...], frozenset[int]]] = deque([((first,), first.guards)])
        for _ in range(MAX_STEPS):
            if not queue:
                break
            path, guards = queue.popleft()
            last = path[-1]
            if last.target == first.source:
                if not guards and self._collide(last, first):
                    return path
                continue
            if len(path) == MAX_RING:
                continue
            for edge in self._out.get(last.target, ()):
                common = guards & edge.guards
                if (id(edge), common) in seen or not self._collide(last, edge):
                    continue
                seen.add((id(edge), common))
                queue.append(((*path, edge), common))
        return ()

    def _collide(self, wanting: Edge, holding: Edge) -> bool:
        """Whether who wants the lock between these two edges can be kept out by who holds it."""
        both_read = wanting.target_read and holding.source_read
        return not both_read or holding.source in self._written


def shrink(edge: Edge, guards: Set[int]) -> bool:
    """Keep those guards only that were held this time too; whether one less is left."""
    left = edge.guards & guards
    fewer = len(left) < len(edge.guards)
    edge.guards = left
    return fewer


def _key(edge: Edge) -> tuple[Hashable, Hashable, bool, bool]:
    return (edge.source, edge.target, edge.source_read, edge.target_read)
