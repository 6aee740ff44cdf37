"""What a comparison means, in words: is it worth it, why is it not better, what to change first.

Each statement stands on a figure that is named in it. Must never run anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from ftbridge.compare.result import FREE, GIL, Comparison, Losses

# A shared machine's noise: a smaller difference is told as none.
NOISE: Final = 0.1
# The share of its threads' time that a part must cost to be worth a line.
_WORTH: Final = 0.05
_MANY_SAMPLES: Final = 30  # of a CPU profile, before its shares are told
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """In words: the answer, the figures behind it, why it is not better, what to change first."""

    answer: str
    figures: tuple[str, ...]
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    doubts: tuple[str, ...]


def judge(found: Comparison) -> Verdict:
    """The words for these figures."""
    return Verdict(
        answer=_answer(found),
        figures=tuple(_figures(found)),
        reasons=tuple(_reasons(found)),
        advice=tuple(_advice(found)),
        doubts=tuple(_doubts(found)),
    )


def _answer(found: Comparison) -> str:
    if found.gil_on:
        modules = ", ".join(found.gil_modules) or "something"
        return (
            f"No, not as it is: {modules} switched the GIL on, so the free-threaded build ran one "
            "thread at a time."
        )
    if not found.control.scales:
        return (
            "No answer about threads: this machine had no second core to give. One thread takes "
            f"{found.single_cost.median:.2f} times as long on the free-threaded build."
        )
    gain, threads = found.gain.median, found.most
    told = f"{threads} threads without the GIL do {gain:.2f} times what the GIL build does at best"
    if gain >= 1 + NOISE:
        return f"Yes: {told}."
    if gain > 1 - NOISE:
        return f"No difference worth the name: {told}."
    return f"No: {told}."


def _figures(found: Comparison) -> list[str]:
    lines = [
        f"one thread takes {found.single_cost:.2f} times as long on the free-threaded build as on "
        "the GIL build"
    ]
    if found.most > 1 and found.control.scales:
        for name, series in ((FREE, found.free), (GIL, found.gil)):
            lines.append(
                f"{name}: {found.most} threads do {series.scaling(found.most, True):.2f} times the "
                "work of one"
            )
        scaling = found.process_scaling
        if scaling is not None:
            lines.append(f"{found.most} free-threaded processes do {scaling:.2f} times")
    lines.append(
        f"memory: {found.memory[FREE] / _MIB:,.0f} MiB free-threaded, "
        f"{found.memory[GIL] / _MIB:,.0f} MiB with the GIL; {found.most} processes with the GIL "
        f"would take up to {found.most * found.memory[GIL] / _MIB:,.0f} MiB"
    )
    return lines


def _reasons(found: Comparison) -> list[str]:
    lines = []
    if found.gil_on:
        lines.append(
            "the GIL was on: "
            + (", ".join(found.gil_modules) or "it is not known what switched it on")
        )
    losses = found.losses
    if losses is not None and not found.gil_on:
        lines += _lost(found, losses)
    share = found.gil_free_share
    if share > _WORTH:
        lines.append(
            f"with the GIL, threads gain as well: at least {share:.0%} of a pass holds no GIL (C "
            "code that lets it go, or waiting), by Amdahl's law from the GIL build's scaling"
        )
    cores = found.cores[FREE]
    if cores < 1 - NOISE and found.control.scales:  # else others may have had the core
        lines.append(
            f"one thread uses {cores:.2f} of a core: {1 - cores:.0%} of a pass waits (files, "
            "network, sleep, other processes)"
        )
    if found.cpu_samples >= _MANY_SAMPLES and found.functions:
        told = [
            f"{each.function} ({PurePath(each.file).name}) {each.share:.0%}"
            for each in found.functions
        ]
        lines.append(f"CPU time: {', '.join(told)} ({found.cpu_samples} samples)")
    if found.single_cost.median > 1 + NOISE:
        lines.append(
            "one thread is slower without the GIL: 3.13t has no specialising interpreter, which "
            "costs code with many method calls and attributes most, and reference counts that "
            "threads share are atomic; 3.14t has the former"
        )
    return lines


def _lost(found: Comparison, losses: Losses) -> list[str]:
    if losses.total < _WORTH:
        return [
            f"nothing is lost worth the name ({losses.total:.0%} of {found.most} threads' work)"
        ]
    lines = [f"{losses.total:.0%} of what {found.most} threads could do is lost:"]
    if losses.locks >= _WORTH / 5:
        told = [
            f"{lock.label} {lock.share:.0%}, waited for at {lock.waited_at}"
            + (f", held at {lock.held_at}" if lock.held_at else "")
            for lock in found.locks
        ]
        lines.append(f"  {losses.locks:.0%} waiting for locks ({'; '.join(told)})")
    for share, text in (
        (
            losses.instance,
            "touching the same instance (its objects' reference counts, and memory that all "
            "write): an instance each does not lose it",
        ),
        (
            losses.process,
            "sharing the process (functions, classes, module-level objects, the allocator, the "
            "garbage collector's pauses): a process each does not lose it",
        ),
        (losses.machine, "to the machine: a process each loses it, too"),
    ):
        if share >= _WORTH / 5:
            lines.append(f"  {share:.0%} {text}")
    return lines


def _advice(found: Comparison) -> list[str]:
    if found.gil_on:
        names = " or ".join(found.gil_modules) or "the module (ftbridge doctor finds it)"
        return [f"first: upgrade {names} to a release that supports free-threading, or do without"]
    losses = found.losses
    if losses is None:
        return ["first: run this again on a quiet machine with two cores or more"]
    ranked: list[tuple[float, str]] = []
    if found.locks and losses.locks >= _WORTH:
        lock = found.locks[0]
        ranked.append(
            (
                losses.locks,
                f"hold {lock.label} for less, or not at all: {lock.held_at or lock.waited_at} "
                "(a lock a key, ftlocks.StripedLock or KeyedLock; a ShardedCounter for counts)",
            )
        )
    if losses.instance >= _WORTH:
        ranked.append(
            (
                losses.instance,
                "give each thread its own copy of what all read in the inner loop (a local "
                'variable, ftlocks.ThreadLocal, `__lifetime__ = "thread"` of an adapter)',
            )
        )
    if losses.process >= _WORTH:
        ranked.append(
            (
                losses.process,
                "look in the functions above for module-level objects that inner loops use: "
                "take them into local variables; make fewer objects (each pause of the garbage "
                "collector stops all threads)",
            )
        )
    ranked.sort(key=lambda each: -each[0])
    lines = [text for _, text in ranked]
    if not lines and found.single_cost.median > 1 + NOISE:
        lines = ["nothing in threads; what one thread costs more, a newer CPython takes away"]
    return [f"first: {lines[0]}", *[f"then: {text}" for text in lines[1:]]] if lines else []


def _doubts(found: Comparison) -> list[str]:
    doubts = [str(found.control)]
    if found.builds[FREE].replace("free-threaded", "") != found.builds[GIL].replace(
        "with the GIL", ""
    ):
        doubts.append(
            f"two different versions ({found.builds[FREE]}; {found.builds[GIL]}): what differs is "
            "not the GIL alone"
        )
    gain = found.gain
    if gain.low < 1 < gain.high:
        doubts.append(f"the rounds do not agree on who is faster ({gain:.2f})")
    doubts.append(
        "instance and process are told apart by running the same on an instance each and in a "
        "process each; which object it is, no tool here sees"
    )
    return doubts
