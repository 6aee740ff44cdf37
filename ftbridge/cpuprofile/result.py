"""What a CPU profile found, as plain frozen values; every format reads these.

Must never look at a running program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, Self

from ftlocks._sites import Frame


@dataclass(frozen=True, slots=True)
class CpuStack:
    """A call stack of one thread, outermost first, and the CPU time (ns) it was seen to take."""

    thread: str
    frames: tuple[Frame, ...]
    cpu_ns: int
    samples: int


@dataclass(frozen=True, slots=True)
class Hot:
    """A function (`line` 0) or a line, with the CPU time of itself and of all it called, in ns."""

    function: str
    file: str
    line: int
    self_ns: int
    total_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuProfile:
    """A whole profile.

    Args:
        sampler: "ftbridge" or "py-spy".
        rate: samples a second.
        cpu_ns: CPU time of the process, all threads, without the sampler's own.
        notes: what a reader should know before believing the figures.
    """

    title: str
    sampler: str
    interpreter: str
    rate: float
    duration_ns: int
    cpu_ns: int
    stacks: tuple[CpuStack, ...]
    notes: tuple[str, ...] = ()

    @property
    def sampled_ns(self) -> int:
        """CPU time that a stack is known for."""
        return sum(stack.cpu_ns for stack in self.stacks)

    @property
    def samples(self) -> int:
        return sum(stack.samples for stack in self.stacks)

    def functions(self) -> list[Hot]:
        """Every function, the one with most time of its own first."""
        return self._hot(lambda frame: Frame(frame.function, frame.file, 0))

    def lines(self) -> list[Hot]:
        """Every line, the one with most time of its own first."""
        return self._hot(lambda frame: frame)

    def _hot(self, place: Any) -> list[Hot]:
        own: dict[Frame, int] = {}
        total: dict[Frame, int] = {}
        for stack in self.stacks:
            places = [place(frame) for frame in stack.frames]
            own[places[-1]] = own.setdefault(places[-1], 0) + stack.cpu_ns
            for each in set(places):  # a recursive function is on the stack once
                total[each] = total.setdefault(each, 0) + stack.cpu_ns
        found = [
            Hot(*each, own[each] if each in own else 0, spent) for each, spent in total.items()
        ]
        return sorted(found, key=lambda hot: (-hot.self_ns, -hot.total_ns, hot.function))

    def table(self) -> str:
        """The profile as text for a terminal."""
        from ftbridge.cpuprofile.table import render

        return render(self)

    def write(self, path: str | PurePath, format: str | None = None) -> None:
        """Write it to a file, in the format that the name's ending says.

        `.svg` (flame graph), `.speedscope.json`, `.collapsed`, `.json`, `.txt`.

        Raises:
            ValueError: neither the name nor `format` says a format.
        """
        from ftbridge.cpuprofile.formats import write

        write(self, Path(path), format)

    def as_dict(self) -> dict[str, Any]:
        """What the JSON format holds; `from_dict` reads it back."""
        return {**asdict(self), "sampled_ns": self.sampled_ns, "samples": self.samples}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """The profile that `as_dict` told of."""
        fields = {name: told[name] for name in cls.__dataclass_fields__}
        stacks = tuple(
            CpuStack(
                each["thread"],
                tuple(Frame(*frame) for frame in each["frames"]),
                each["cpu_ns"],
                each["samples"],
            )
            for each in told["stacks"]
        )
        return cls(**{**fields, "stacks": stacks, "notes": tuple(told["notes"])})


def folded(stacks: Iterable[CpuStack]) -> tuple[CpuStack, ...]:
    """Equal stacks of equally named threads as one, the heaviest first."""
    sums: dict[tuple[str, tuple[Frame, ...]], list[int]] = {}
    for stack in stacks:
        both = sums.setdefault((stack.thread, stack.frames), [0, 0])
        both[0] += stack.cpu_ns
        both[1] += stack.samples
    found = [CpuStack(*key, *both) for key, both in sums.items()]
    return tuple(sorted(found, key=lambda stack: -stack.cpu_ns))
