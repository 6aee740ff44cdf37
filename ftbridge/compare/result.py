"""The figures of a comparison, and what follows from them by arithmetic alone.

Ratios are taken within a round (`ftstress.scaling`). Must never run anything, or put it into words.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from ftbridge.compare.target import Job
from ftstress.machine import Control
from ftstress.scaling import Loss, Series, Spread

FREE: Final = "free-threaded"
GIL: Final = "GIL"


@dataclass(frozen=True, slots=True)
class HotLock:
    """A lock that threads waited for: the share (0 to 1) of all their time, and the places."""

    label: str
    share: float
    waited_at: str
    held_at: str


@dataclass(frozen=True, slots=True)
class HotFunction:
    """A function and its share (0 to 1) of the CPU time, without what it calls."""

    function: str
    file: str
    share: float


@dataclass(frozen=True, slots=True)
class Losses:
    """Of what N threads could do on the free-threaded build, the parts that are lost, 0 to 1 each.

    Args:
        locks: waiting for locks, as their profile saw it.
        instance: lost on one instance and not on an instance each: objects that all threads touch.
        process: lost on an instance each and not in a process each: what is shared by the whole
            process, such as functions, classes, module-level objects, the allocator, pauses of the
            garbage collector.
        machine: lost in a process each, too.
    """

    total: float
    locks: float
    instance: float
    process: float
    machine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that was measured.

    Args:
        free, gil: passes over the samples a second, by threads and sharing, a list over rounds.
        processes: passes a second of `most` free-threaded processes together, a figure a round.
        memory: resident bytes by build after its last figure, the highest of all rounds.
        cores: CPU seconds a second that one thread used, by build; under 1 it waited.
        gil_modules: extension modules that switched the GIL on; `gil_on`, whether it was on.
        cpu_samples: how many samples `functions` stands on.
    """

    job: Job
    builds: dict[str, str]
    samples: tuple[str, ...]
    control: Control
    free: Series
    gil: Series
    processes: tuple[float, ...]
    memory: dict[str, int]
    cores: dict[str, float]
    gil_on: bool
    gil_modules: tuple[str, ...]
    waiting: float
    locks: tuple[HotLock, ...]
    functions: tuple[HotFunction, ...]
    cpu_samples: int
    rounds: int
    seconds: float

    @property
    def threads(self) -> list[int]:
        """The numbers of threads that were measured, from 1."""
        return self.free.threads

    @property
    def most(self) -> int:
        return self.threads[-1]

    @property
    def single_cost(self) -> Spread:
        """How many times as long one thread takes on the free-threaded build."""
        return self.gil.over(self.free, 1, True, 1)

    @property
    def gain(self) -> Spread:
        """Free-threaded with all threads over the GIL build at its own best number of threads."""
        best = max(self.threads, key=lambda count: self.gil.rate(count, True).median)
        return self.free.over(self.gil, self.most, True, best)

    @property
    def gil_free_share(self) -> float:
        """At least so much of a pass (0 to 1) is spent without the GIL on the GIL build.

        By Amdahl's law: were the part under the GIL p of a pass, threads could not get more than
        1/p times the work of one done. 0 where they gain nothing that is more than noise.
        """
        scaling = self.gil.scaling(self.most, True)
        return 1 - 1 / scaling.median if self.most > 1 and scaling.low > 1.1 else 0.0

    @property
    def process_scaling(self) -> Spread | None:
        """How many times the work of one thread as many processes do; None if not measured."""
        if not self.processes:
            return None
        singles = self.free.rates[1, False]
        return Spread.of([all_ / one for all_, one in zip(self.processes, singles, strict=True)])

    @property
    def losses(self) -> Losses | None:
        """None with one thread, or where the machine had no second core to give."""
        if self.most == 1 or not self.control.scales:
            return None
        loss = Loss.of(self.free, self.most, self.waiting)
        scaling = self.process_scaling
        machine = 0.0 if scaling is None else max(0.0, 1 - scaling.median / self.most)
        machine = min(machine, loss.rest)
        return Losses(loss.total, loss.locks, loss.sharing, loss.rest - machine, machine)

    def as_dict(self) -> dict[str, Any]:
        """What the JSON format holds, without the words."""
        scaling = self.process_scaling
        return {
            "target": asdict(self.job),
            "builds": self.builds,
            "samples": list(self.samples),
            "control": {
                "two_processes": list(self.control.scalings),
                "scales": self.control.scales,
            },
            "passes_per_second": {
                name: [
                    {"threads": threads, "one_instance": shared, "rounds": rates}
                    for (threads, shared), rates in sorted(series.rates.items())
                ]
                for name, series in ((FREE, self.free), (GIL, self.gil))
            },
            "processes_passes_per_second": list(self.processes),
            "process_scaling": None if scaling is None else asdict(scaling),
            "single_thread_cost": asdict(self.single_cost),
            "gain": asdict(self.gain),
            "gil_free_share": self.gil_free_share,
            "losses": None if self.losses is None else asdict(self.losses),
            "memory_bytes": self.memory,
            "cores_of_one_thread": self.cores,
            "gil_switched_on": self.gil_on,
            "gil_modules": list(self.gil_modules),
            "waiting_for_locks": self.waiting,
            "locks": [asdict(lock) for lock in self.locks],
            "functions": [asdict(each) for each in self.functions],
            "cpu_samples": self.cpu_samples,
            "rounds": self.rounds,
            "seconds": self.seconds,
        }
