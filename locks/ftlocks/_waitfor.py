"""Who waits for whom, and which of them can never go on.

A thread that waits for a lock needs all of its owners; one that waits for a thread of a pool needs
any of them (the AND-OR model of Knapp, "Deadlock Detection in Distributed Databases", ACM Computing
Surveys 19(4), 1987). Stuck are those that are left when every thread that runs, or waits no longer
than a timeout, and then again and again everyone that these can let go on, has been taken away.

A semaphore's permits belong to the threads that took them for as long as only such threads have
given any back: then who waits needs one of those. Who ends a wait at a barrier or a channel is
known from habit, as long as the same few threads come; that counts only together with somebody who
waits for what one of the others holds.

The pictures are taken while the threads run on, so one alone proves nothing. Two do: a thread that
waits with the same `Waiter` in both has been blocked all the time in between, so that at the end of
the first picture all of the stuck ones were blocked at once, each by the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ftlocks import _hooks, _outside
from ftlocks._records import READ, LockState, Waiter
from ftlocks._sites import is_own
from ftlocks.statistics import owner_named

# What is waited for where nobody owns it, but habits tell who ends the wait.
_WANTED: Final = {
    "semaphore": "a permit of {}",
    "barrier": "the others at {}",
    "put": "room in {}",
    "get": "an item of {}",
}
# What code that ends such a wait calls. Only names can be seen from outside, so a thread found by
# them is a likely notifier, not a certain one.
_ENDS_WAIT: Final = {"condition": {"notify", "notify_all"}, "event": {"set"}}


@dataclass(frozen=True, slots=True)
class Wait:
    """One blocked thread.

    Args:
        what: what it waits for, as a message names it.
        needs: idents of the threads that it cannot go on without; empty where nobody can tell.
        any_of: one of them is enough; otherwise all are needed.
        certain: False where `needs` is what the code of those threads suggests, or what they have
            done so far.
        habitual: the latter, of threads that hold nothing: they may all be idle, so this alone
            proves nothing.
    """

    waiter: Waiter
    what: str
    needs: frozenset[int]
    any_of: bool
    certain: bool
    habitual: bool = False

    @property
    def ident(self) -> int:
        """Of the waiting thread."""
        return self.waiter.thread.ident or 0


@dataclass(frozen=True, slots=True)
class Picture:
    """Waits by thread, and by thread the names of what it holds."""

    waits: dict[int, Wait]
    holding: dict[int, tuple[str, ...]]


def picture(states: Iterable[LockState]) -> Picture:
    """All waits that could last for ever, put together from `ftlocks.states()`."""
    waits: dict[int, Wait] = {}
    holding: dict[int, list[str]] = {}
    unowned: list[tuple[Waiter, str, int]] = []
    for state in states:
        if not state.owners and not state.waiters and not state.expected:
            continue
        label = _named(state)
        for owner in state.owners:
            holding.setdefault(owner, []).append(label)
        if state.mode == "semaphore":
            for owner in state.expected or ():
                holding.setdefault(owner, []).append(f"a permit of {label}")
        patient_writers = all(w.mode == READ or not w.timed for w in state.waiters)
        for waiter in state.waiters:
            if waiter.timed or waiter.granted:
                continue
            if waiter.mode in _ENDS_WAIT:
                unowned.append((waiter, f"{label} to be {_verb(waiter.mode)}", state.ender))
                continue
            if waiter.mode in _WANTED:
                # Whoever holds a permit, puts or gets lets one on; a barrier needs all.
                wait = Wait(
                    waiter,
                    _WANTED[waiter.mode].format(label),
                    state.expected or frozenset(),
                    any_of=waiter.mode != "barrier",
                    certain=False,
                    habitual=waiter.mode != "semaphore",
                )
                waits[wait.ident] = wait
                continue
            owners = frozenset(state.owners)
            if state.reentrant:
                owners -= {waiter.thread.ident or 0}
            if waiter.mode == state.mode == READ and not patient_writers:
                owners = frozenset()  # will be let in when that writer gives up
            wait = Wait(waiter, label, owners, any_of=False, certain=True)
            waits[wait.ident] = wait
    for found in _outside.waits():
        if found.waiter.mode in _ENDS_WAIT:
            if (found.waiter.thread.ident or 0) not in waits:  # else it is on its way back
                unowned.append((found.waiter, found.what, 0))
        else:
            wait = Wait(found.waiter, found.what, found.needs, any_of=True, certain=True)
            waits[wait.ident] = wait
    for waiter, what, ender in unowned:
        likely = frozenset(
            ident
            for ident, other in waits.items()
            if other.ident != waiter.thread.ident and _may_end(waiter.mode, other.waiter)
        )
        # Who has done it before may do it again, unless it is stuck as well.
        if likely and ender != waiter.thread.ident and owner_named(ender) is not None:
            likely |= {ender}
        wait = Wait(waiter, what, likely, any_of=True, certain=False)
        waits[wait.ident] = wait
    return Picture(waits, {ident: tuple(labels) for ident, labels in holding.items()})


def stuck(states: Iterable[LockState]) -> tuple[dict[int, Wait], Picture]:
    """The waits that can never end, confirmed by a second picture, and that picture.

    Args:
        states: of a moment ago, for the first.
    """
    first = picture(states)
    candidates = _left_over(first.waits)
    if not candidates:
        return {}, first
    second = picture(_hooks.states())
    return _left_over(
        {
            ident: wait
            for ident, wait in second.waits.items()
            if ident in candidates
            and wait.waiter is candidates[ident].waiter
            and wait.needs == candidates[ident].needs
        }
    ), second


def rings(waits: dict[int, Wait]) -> list[list[Wait]]:
    """Those that wait for each other, and thus for themselves, each set once.

    In the order of who waits for whom, as far as there is one.
    """
    reach = {ident: _reachable(ident, waits) for ident in waits}
    found: list[list[Wait]] = []
    done: set[int] = set()
    for ident in sorted(waits, key=lambda one: waits[one].waiter.since_ns):
        if ident in done or ident not in reach[ident]:
            continue
        members = {other for other in reach[ident] if ident in reach[other]}
        done |= members
        if any(waits[other].habitual for other in members) and not any(
            waits[other].certain for other in members
        ):
            continue  # threads that have nothing to do: a trigger may come from anywhere
        ring: list[Wait] = []
        at = ident
        while at in members:
            ring.append(waits[at])
            members.remove(at)
            at = next((n for n in sorted(waits[at].needs) if n in members), 0) or min(
                members, default=0
            )
        found.append(ring)
    return found


def behind(ring: list[Wait], waits: dict[int, Wait]) -> list[Wait]:
    """Those that wait for the members of a ring without being one."""
    members = {wait.ident for wait in ring}
    return [
        wait
        for ident, wait in waits.items()
        if ident not in members and members & _reachable(ident, waits)
    ]


def _left_over(waits: dict[int, Wait]) -> dict[int, Wait]:
    left = dict(waits)
    while True:
        go_on = []
        for ident, wait in left.items():
            blocked = [need in left for need in wait.needs]
            if not blocked or not (all(blocked) if wait.any_of else any(blocked)):
                go_on.append(ident)
        if not go_on:
            return left
        for ident in go_on:
            del left[ident]


def _reachable(start: int, waits: dict[int, Wait]) -> set[int]:
    seen: set[int] = set()
    ahead = [start]
    while ahead:
        for need in waits[ahead.pop()].needs:
            if need in waits and need not in seen:
                seen.add(need)
                ahead.append(need)
    return seen


def _may_end(mode: str, waiter: Waiter) -> bool:
    """Whether functions that this thread is in call what ends a wait of this sort."""
    names = _ENDS_WAIT[mode]
    codes = (waiter.site or ())[::2]
    return any(names & set(code.co_names) for code in codes if not is_own(code.co_filename))


def _verb(mode: str) -> str:
    return "notified" if mode == "condition" else "set"


def _named(state: LockState) -> str:
    label = state.info.label
    label = f"{state.info.kind} {label!r}" if state.info.name else label
    return label if state.key is None else f"key {state.key!r:.40} of {label}"
