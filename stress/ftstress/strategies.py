"""Who goes on at each place: the ways to look through the schedules of a test.

A strategy is asked only where there is a choice. Must never look at the program: a choice made from
its values could not be made again.
"""

import math
import random
from collections.abc import Callable
from typing import Final, Protocol

from ftstress.tasks import Choice, Step, TaskId

# Choices that a run is taken to have before one was seen.
_FIRST_GUESS: Final = 50


class Strategy(Protocol):
    """Decides one run after the other."""

    name: str

    def begin(self, iteration: int) -> bool:
        """Prepare for run number `iteration`, from 0; False when there is nothing left to try."""

    def choose(self, choice: Choice, step: Step) -> TaskId:
        """One of `choice.enabled`."""

    def describe(self) -> str:
        """What has been done, and what that promises; one line."""

    def parameters(self) -> dict[str, int | str]:
        """What it takes to make the same strategy again."""


class RandomWalk:
    """Any enabled thread, each as likely as the others."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._random = random.Random()

    def begin(self, iteration: int) -> bool:
        self._random.seed(f"{self.seed}/{iteration}")
        return True

    def choose(self, choice: Choice, step: Step) -> TaskId:
        return self._random.choice(choice.enabled)

    def describe(self) -> str:
        return f"random walk, seed {self.seed}; gives no bound"

    def parameters(self) -> dict[str, int | str]:
        return {"seed": self.seed}


class PCT:
    """Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010).

    Threads have random priorities, the highest one that is enabled runs, and at ``depth - 1``
    random choices of a run whoever runs falls below all others. A bug that needs `depth` ordering
    constraints is found by a run with probability at least 1/(n * k**(depth - 1)), for n threads
    and k steps. Here k counts the steps with a choice: a change anywhere else shows at the next
    one. The bound is for runs in which no thread spins; one that does is set back.
    """

    name = "pct"

    def __init__(self, depth: int = 3, seed: int = 0) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth!r}")
        self.depth = depth
        self.seed = seed
        self.threads = 1
        self.choices = 0
        self.runs = 0
        self._random = random.Random()
        self._priorities: dict[TaskId, float] = {}
        self._changes: dict[int, int] = {}
        self._count = 0
        self._lowest = 0.0

    def begin(self, iteration: int) -> bool:
        self.runs += 1
        self._random.seed(f"{self.seed}/{iteration}")
        self._priorities = {}
        self._count = 0
        self._lowest = 0.0
        within = range(max(self.choices or _FIRST_GUESS, self.depth - 1))
        points = self._random.sample(within, self.depth - 1)
        # A thread that reaches change point i gets priority i, below every first priority.
        self._changes = {point: self.depth - 1 - i for i, point in enumerate(sorted(points))}
        return True

    def choose(self, choice: Choice, step: Step) -> TaskId:
        priorities = self._priorities
        for task in choice.enabled:
            if task not in priorities:
                priorities[task] = self.depth + self._random.random()
        self.threads = max(self.threads, len(priorities))
        if choice.spinning is not None:
            self._lowest -= 1.0
            priorities[choice.spinning] = self._lowest
        highest = max(choice.enabled, key=priorities.__getitem__)
        if self._count in self._changes:
            priorities[highest] = float(self._changes[self._count])
            highest = max(choice.enabled, key=priorities.__getitem__)
        self._count += 1
        self.choices = max(self.choices, self._count)
        return highest

    @property
    def bound(self) -> float:
        """Least probability that one run finds a bug of this depth."""
        return 1.0 / float(self.threads * max(1, self.choices) ** (self.depth - 1))

    def describe(self) -> str:
        bound = self.bound
        missed = math.exp(self.runs * math.log1p(-bound)) if bound < 1 else 0.0
        return (
            f"PCT, depth {self.depth}, seed {self.seed}; a bug of that depth is found by a run "
            f"with probability >= 1/(n*k^(d-1)) = 1/({self.threads}*{max(1, self.choices)}^"
            f"{self.depth - 1}) = {bound:.2g}, by {self.runs} runs with >= {1 - missed:.2g}"
        )

    def parameters(self) -> dict[str, int | str]:
        return {"depth": self.depth, "seed": self.seed}


class _Node:
    """A choice on the way: what there is to choose, and what was chosen of it."""

    __slots__ = ("index", "options")

    def __init__(self, options: tuple[TaskId, ...]) -> None:
        self.options = options
        self.index = 0


class BoundedDFS:
    """Every schedule with at most so many preemptions (CHESS: Musuvathi and Qadeer, PLDI 2007).

    Schedules without a preemption come first, then those with one, and so on: most bugs need few.
    Choices at blocked and ended threads are free. Once the runs come to an end, there is no failing
    schedule within the bound, as long as the test does the same in the same schedule.
    """

    name = "dfs"

    def __init__(self, preemptions: int = 2) -> None:
        if preemptions < 0:
            raise ValueError(f"preemptions must not be negative, got {preemptions!r}")
        self.preemptions = preemptions
        self.runs = 0
        self.is_complete = False
        self._bound = 0
        self._nodes: list[_Node] = []
        self._depth = 0
        self._spent = 0
        self._cut = False  # whether the bound has kept something out

    def begin(self, iteration: int) -> bool:
        if iteration and not self._advance():
            self.is_complete = True
            return False
        self._depth = 0
        self._spent = 0
        self.runs += 1
        return True

    def _advance(self) -> bool:
        nodes = self._nodes
        while nodes and nodes[-1].index + 1 == len(nodes[-1].options):
            nodes.pop()
        if nodes:
            nodes[-1].index += 1
            return True
        if not self._cut or self._bound == self.preemptions:
            return False
        self._bound += 1
        self._cut = False
        return True

    def choose(self, choice: Choice, step: Step) -> TaskId:
        options = self._options(choice)
        if self._depth == len(self._nodes):
            self._nodes.append(_Node(options))
        node = self._nodes[self._depth]
        if node.options != options:
            raise NondeterminismError(
                f"the test did something else in the same schedule: at {step.site.place} the "
                f"threads {node.options} could go on before, now {options}; look for the time of "
                f"day, random numbers, the order of sets, or state that outlives a run"
            )
        self._depth += 1
        chosen = node.options[node.index]
        if choice.current is not None and chosen != choice.current:
            self._spent += 1
        return chosen

    def _options(self, choice: Choice) -> tuple[TaskId, ...]:
        current = choice.current
        if current is None:
            return choice.enabled
        if self._spent == self._bound:
            self._cut = True
            return (current,)
        return (current, *(task for task in choice.enabled if task != current))

    def describe(self) -> str:
        bound = f"at most {self.preemptions} preemptions"
        if self.is_complete:
            return f"depth first, {bound}; all schedules within the bound were run"
        return f"depth first, {bound}; stopped at {self._bound}, with schedules left"

    def parameters(self) -> dict[str, int | str]:
        return {"preemptions": self.preemptions}


class NondeterminismError(RuntimeError):
    """A test did not do the same in the same schedule, so no schedule of it can be replayed."""


def _dpor(_seed: int) -> Strategy:
    from ftstress.dpor import DPOR  # it takes the scheduler, which takes no strategy

    return DPOR()


_BY_NAME: Final[dict[str, Callable[[int], Strategy]]] = {
    "dpor": _dpor,
    "pct": lambda seed: PCT(seed=seed),
    "random": RandomWalk,
    "dfs": lambda _seed: BoundedDFS(),
}
NAMES: Final = tuple(_BY_NAME)


def strategy_named(name: str, seed: int) -> Strategy:
    """The strategy with its usual parameters. ValueError for a name that there is not."""
    if name not in _BY_NAME:
        raise ValueError(f"no strategy {name!r}; there are {', '.join(NAMES)}")
    return _BY_NAME[name](seed)
