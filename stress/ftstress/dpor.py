"""Partial-order reduction: of all schedules that differ only in steps that commute, run one.

Source-DPOR (Abdulla, Aronis, Jonsson and Sagonas, POPL 2014), which grew from Flanagan and
Godefroid's reduction (POPL 2005), with Godefroid's sleep sets. After each run, every pair of
stretches that could come the other way round makes the thread that brings this about one of those
to be tried at the earlier one. A thread that has been tried sleeps until something happens that
does not commute with what it did then; where all are asleep, the run is given up, for its like has
been run. No two runs that come to their end are of the same trace, but where threads wait in ways
that `ftstress.effects` only knows in part, as a pool's do: there the same trace may come again.

What commutes is said in `ftstress.effects`. Must never look at the program but through that.
"""

from ftstress.control import Run
from ftstress.effects import Effects, Trace, any_dependent
from ftstress.strategies import NondeterminismError
from ftstress.tasks import Choice, Redundant, Step, TaskId


class _Node:
    """A choice on the way."""

    __slots__ = ("backtrack", "chosen", "done", "enabled", "named", "sleep")

    def __init__(self, enabled: tuple[TaskId, ...], sleep: dict[TaskId, Effects]) -> None:
        self.enabled = enabled
        self.sleep = sleep  # what each sleeper did when it was tried
        self.done: dict[TaskId, Effects] = {}  # those that were tried here
        self.backtrack: set[TaskId] = set()  # those that are to be
        self.chosen: TaskId = ()
        self.named = 0  # things that had been come to before

    def choose(self, task: TaskId) -> None:
        self.chosen = task
        self.backtrack.add(task)


class DPOR:
    """One schedule of each trace: dynamic partial-order reduction with source sets and sleep sets.

    When its runs come to an end, every schedule of the test has been run or is equivalent to one
    that has. That holds for tests that do the same in the same schedule, and under the model of
    `ftstress.effects`: what uninstrumented code shares without a lock is not seen, and neither is
    the virtual clock.
    """

    name = "dpor"

    def __init__(self) -> None:
        self.is_complete = False
        self.runs = 0  # that came to their end
        self.cut_short = 0
        self.branches = 0  # that would have led to equivalent schedules only
        self.spun = False
        self._nodes: list[_Node] = []
        self._depth = 0
        self._run: Run | None = None

    def begin(self, iteration: int) -> bool:
        if self._run is not None:
            self._learn(self._run)
            self._run = None
            if not self._advance():
                self.is_complete = True
                return False
        self._depth = 0
        return True

    def attach(self, run: Run) -> None:
        """The run that is to come."""
        self._run = run

    def choose(self, choice: Choice, step: Step) -> TaskId:
        if choice.spinning is not None:
            self.spun = True
        index = self._depth
        self._depth += 1
        if index < len(self._nodes):
            node = self._nodes[index]
            if node.enabled != choice.enabled:
                raise NondeterminismError(
                    f"the test did something else in the same schedule: at {step.site.place} the "
                    f"threads {node.enabled} could go on before, now {choice.enabled}; look for "
                    f"the time of day, random numbers, the order of sets, or state that outlives a "
                    f"run"
                )
            return node.chosen
        assert self._run is not None
        node = _Node(choice.enabled, self._sleepers(index))
        node.named = self._run.names.count
        awake = [task for task in choice.enabled if task not in node.sleep]
        if not awake:
            raise Redundant
        node.choose(choice.current if choice.current in awake else awake[0])
        self._nodes.append(node)
        return node.chosen

    def _sleepers(self, index: int) -> dict[TaskId, Effects]:
        if not index:
            return {}
        assert self._run is not None
        before = self._nodes[index - 1]
        happened = self._run.effects[index]
        if index in self._run.after_all:
            return {}
        return {
            task: effects
            for task, effects in {**before.sleep, **before.done}.items()
            if task != before.chosen and not any_dependent(effects, happened, before.named)
        }

    def _learn(self, run: Run) -> None:
        """Find what could have come the other way round, and have it tried."""
        if run.is_redundant:
            self.cut_short += 1
        else:
            self.runs += 1
        trace = trace_of(run)
        for first, second in trace.races:
            if first == 0:
                continue  # before there was a choice
            node = self._nodes[first - 1]
            later = [
                index for index in range(first + 1, second) if not trace.before(first, index)
            ] + [second]
            firsts: list[TaskId] = []
            seen: set[TaskId] = set()
            for position, index in enumerate(later):
                task = trace.tasks[index]
                if task not in seen:
                    seen.add(task)
                    if not any(trace.before(other, index) for other in later[:position]):
                        firsts.append(task)
            able = [task for task in firsts if task in node.enabled]
            if able and not any(task in node.backtrack or task in node.sleep for task in able):
                mine = trace.tasks[second]
                node.backtrack.add(mine if mine in able else able[0])
        # What the last run did where it had a choice.
        for index, node in enumerate(self._nodes):
            if index + 1 < len(run.effects):
                node.done[node.chosen] = run.effects[index + 1]

    def _advance(self) -> bool:
        while self._nodes:
            node = self._nodes[-1]
            left = [
                task
                for task in node.enabled
                if task in node.backtrack and task not in node.done and task not in node.sleep
            ]
            if left:
                node.choose(left[0])
                return True
            self.branches += sum(task not in node.done for task in node.enabled)
            self._nodes.pop()
        return False

    def describe(self) -> str:
        ran = (
            f"partial-order reduction: {self.runs} schedules; "
            f"{self.cut_short} cut short and {self.branches} branches skipped as equivalent to "
            f"one of them"
        )
        if not self.is_complete:
            return f"{ran}; stopped with schedules left"
        if self.spun:
            return f"{ran}; none left, but for those in which a loop waits for longer"
        return f"{ran}; all schedules explored"

    def parameters(self) -> dict[str, int | str]:
        return {}


def trace_of(run: Run) -> Trace:
    """The happens-before relation of a run whose strategy has asked for effects."""
    tasks: list[TaskId] = [(), *(step.chosen for step in run.steps)]
    born = {task.id: task.born if task.id else None for task in run.tasks.values()}
    return Trace(tasks[: len(run.effects)], run.effects, born, run.after_all)
