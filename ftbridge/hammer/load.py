"""Calls every tool beside every other, from many threads, and judges what comes back.

The calls are the same for the same seed; when they meet is up to the machine. Each cycle has three
parts: every pair of tools on two threads that start together; a storm of calls, streams read or
left, deadlines that pass, sessions that are made, used and ended under each other's feet; and,
where the server is ours, a restart in the middle of calls.

A call made alone says what a tool answers. What only calls in parallel bring (an error of another
class, another result of a tool whose results are declared to depend on nothing else, a call that
does not end, a status that is no tool's doing) is a finding. Must never import an adapter.
"""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from random import Random
from typing import Final

from ftbridge.hammer.calling import Budget, Caller
from ftbridge.hammer.records import Call, ToolCases, shortened
from ftstress import run_parallel
from ftstress.findings import Finding, Side
from ftstress.served import PATIENCE

ALONE_CASES: Final = 10  # sets of arguments of a tool that are called alone
PAIR_CALLS: Final = 6  # of each thread, for a pair of tools in one cycle
STORM_THREADS: Final = 4
STORM_CALLS: Final = 40  # of each thread in one cycle
RESTART_CALLS: Final = 25  # of each thread, around a restart
_REFUSED: Final = ("ToolArgumentError", "ToolNotFoundError")
# No answer of a tool's.
_STATUSES: Final = ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED")
_LEFT: Final = ("ToolCancelledError", "ToolDeadlineError")
# A deadline this short passes before, during or after the tool, in turn.
_SHORT_SECONDS: Final = (0.0005, 0.002, 0.01, 0.03)

type Check = Callable[[list[Call]], Sequence[Finding]]


class Hammer:
    """The load on one server.

    Args:
        cases: its tools. seed: of all that is drawn.
        check: called with the calls of each part when all have ended; returns what it finds broken.
        restart: stops the server while calls run, and returns the new address; None where the
            server is somebody else's.
        stacks: where the threads of the server are, for a call that does not end.
        patience: seconds after which a call is taken to hang.
    """

    def __init__(
        self,
        address: str,
        cases: Sequence[ToolCases],
        *,
        seed: int,
        budget: Budget,
        check: Check | None = None,
        restart: Callable[[], str] | None = None,
        stacks: Callable[[], tuple[Side, ...]] | None = None,
        patience: float = PATIENCE,
        progress: Callable[[str, int], None] | None = None,
    ) -> None:
        self._address = address
        self._patience = patience
        self._cases = list(cases)
        self._seed = seed
        self._budget = budget
        self._check = check or (lambda _: ())
        self._restart = restart
        self._stacks = stacks or (lambda: ())
        self._progress = progress or (lambda _part, _calls: None)
        self._alone: dict[str, set[str]] = {case.name: set() for case in cases}
        self._results: dict[tuple[str, str], object] = {}
        self._unverified: dict[tuple[str, str], Call] = {}
        self._streaming: set[str] = {c.name for c in cases if c.only_streams}
        self.findings: list[Finding] = []
        self.pairs = 0
        self.all_pairs = len(self._cases) * (len(self._cases) + 1) // 2
        self.cycles = 0
        self.threads = STORM_THREADS

    def run(self) -> None:
        """Until the budget is used up, or a finding makes going on useless.

        Raises:
            UnavailableError: nobody answers at the address.
        """
        self._call_alone()
        while not self._budget.is_over() and self._cases:
            for part in (self._pairs, self._storm, self._restarted):
                if not self._budget.is_over():
                    part(Random(f"{self._seed}/{self.cycles}/{part.__name__}"))
            self.cycles += not self._budget.is_over()
        self._verify()

    # The parts.

    def _call_alone(self) -> None:
        """What each tool answers when nothing else runs."""
        caller = Caller(self._address, 0, "alone", self._patience)
        with caller.client, caller.own:
            for case in self._cases:
                for arguments in case.first(ALONE_CASES):
                    if not self._budget.take():
                        return
                    self._learn(case, caller, arguments)
                self._progress("alone", self._budget.calls)
        self._quiet("each tool alone", [caller])

    def _learn(self, case: ToolCases, caller: Caller, arguments: dict[str, object]) -> None:
        call = caller.call(case, arguments, caller.own, stream=case.name in self._streaming)
        if call.error == "StreamingToolError" or _is_stream_refusal(call.value):
            self._streaming.add(case.name)
            call = caller.call(case, arguments, caller.own, stream=True)
        if call.error == "DEADLINE_EXCEEDED" or call.error in _STATUSES:
            self._found(self._unexpected(call, "alone"))
        elif call.error is not None:
            self._alone[case.name].add(call.error)
        elif case.deterministic:
            self._results[_key(call)] = call.value

    def _pairs(self, random: Random) -> None:
        pairs = list(combinations_with_replacement(self._cases, 2))
        random.shuffle(pairs)
        callers = [Caller(self._address, number, "pair", self._patience) for number in range(2)]
        with callers[0].client, callers[1].client:
            for first, second in pairs:
                if self._budget.is_over():
                    return
                self._pair(callers, (first, second), random)
                self.pairs += 1
                self._progress(f"{first.name} beside {second.name}", self._budget.calls)

    def _pair(
        self, callers: Sequence[Caller], pair: tuple[ToolCases, ToolCases], random: Random
    ) -> None:
        shared = random.random() < 0.5  # both in one session, or each in its own
        # The same arguments on both sides are where the same entry is fought over.
        same = pair[0] is pair[1] and random.random() < 0.7
        drawn = [[case.draw(random) for _ in range(PAIR_CALLS)] for case in pair]
        if same:
            drawn[1] = drawn[0]

        def side(number: int) -> Callable[[], None]:
            caller, case = callers[number], pair[number]
            session = callers[0].own if shared else caller.own
            arguments = iter(drawn[number])

            def one() -> None:
                given = next(arguments)
                if self._budget.take():
                    call = caller.call(case, given, session, stream=case.name in self._streaming)
                    if call.error == "DEADLINE_EXCEEDED":
                        self._budget.end()  # the next ones would hang as well

            return one

        names = f"{pair[0].name} beside {pair[1].name}"
        run_parallel(side(0), side(1), rounds=PAIR_CALLS, timeout=None)
        self._judge_all(callers, names)
        self._quiet(names, callers)

    def _storm(self, random: Random) -> None:
        self._progress("storm", self._budget.calls)
        callers = [
            Caller(self._address, number, f"storm{self.cycles}", self._patience)
            for number in range(STORM_THREADS)
        ]
        seeds = [random.random() for _ in callers]
        shared = f"stress-shared-{self.cycles}"

        def side(caller: Caller, seed: float) -> Callable[[], None]:
            return lambda: self._storm_side(caller, Random(seed), shared)

        try:
            run_parallel(*map(side, callers, seeds), timeout=None)
        finally:
            for caller in callers:
                caller.client.close()
        self._quiet("a storm of calls", callers)

    def _storm_side(self, caller: Caller, random: Random, shared: str) -> None:
        common = caller.client.session(shared)
        common.tools()
        caller.own.tools()
        for _ in range(STORM_CALLS):
            if not self._budget.take():
                break
            case = random.choice(self._cases)
            arguments = case.draw(random)
            streams = case.name in self._streaming or (case.streams and random.random() < 0.5)
            way = random.random()
            session = random.choice((caller.own, common, common, None))
            if way < 0.1:  # a deadline that may pass at any point
                short = random.choice(_SHORT_SECONDS)
                call = caller.call(case, arguments, session, stream=streams, timeout=short)
                self._judge(call, "a storm of calls", allowed=("DEADLINE_EXCEEDED", *_LEFT))
                continue
            if way < 0.2 and streams:  # a stream that is left
                left = random.randrange(3)
                call = caller.call(case, arguments, session, stream=True, take=left)
            elif way < 0.3:  # a session of one call
                with caller.client.session() as brief:
                    call = caller.call(case, arguments, brief, stream=streams)
            else:
                call = caller.call(case, arguments, session, stream=streams)
            self._judge(call, "a storm of calls", allowed=_LEFT if not call.complete else ())
            if random.random() < 0.05:  # end a session that others are calling in
                common.close()

    def _restarted(self, random: Random) -> None:
        if self._restart is None:
            return
        self._progress("restart", self._budget.calls)
        callers = [
            Caller(self._address, n, f"restart{self.cycles}", self._patience) for n in range(2)
        ]
        seeds = [random.random() for _ in callers]
        begun = threading.Semaphore(0)

        def side(caller: Caller, seed: float) -> Callable[[], None]:
            drawn = Random(seed)

            def calls() -> None:
                for number in range(RESTART_CALLS):
                    if number == RESTART_CALLS // 4:
                        begun.release()
                    if not self._budget.take():
                        break
                    case = drawn.choice(self._cases)
                    call = caller.call(
                        case,
                        case.draw(drawn),
                        caller.own,
                        stream=case.name in self._streaming,
                    )
                    self._judge(call, "a restart", allowed=("UNAVAILABLE", "CANCELLED", *_LEFT))
                begun.release()

            return calls

        def restart() -> None:
            assert self._restart is not None
            for _ in callers:
                begun.acquire()
            self._address = self._restart()

        try:
            run_parallel(*map(side, callers, seeds), restart, timeout=None)
        finally:
            for caller in callers:
                caller.client.close()
        # Totals of an instance that is gone mean nothing to its successor.
        self._quiet("a restart", [])

    # Judging.

    def _judge_all(self, callers: Sequence[Caller], during: str) -> None:
        for caller in callers:
            for call in caller.calls:
                self._judge(call, during)

    def _judge(self, call: Call, during: str, allowed: Sequence[str] = ()) -> None:
        case = next(case for case in self._cases if case.name == call.tool)
        if call.error is not None:
            known = self._alone[call.tool] | case.expected | set(allowed) | set(_REFUSED)
            if call.error not in known:
                self._found(self._unexpected(call, during))
            return
        if case.deterministic and call.complete:
            key = _key(call)
            if key not in self._results:
                self._unverified.setdefault(key, call)
            elif self._results[key] != call.value:
                self._found(_other_result(call, self._results[key], during))

    def _verify(self) -> None:
        """Results of deterministic tools that nobody had called alone."""
        waiting, self._unverified = self._unverified, {}
        if not waiting:
            return
        caller = Caller(self._address, 0, "verify", self._patience)
        with caller.client, caller.own:
            for key, call in waiting.items():
                case = next(case for case in self._cases if case.name == call.tool)
                again = caller.call(case, call.arguments, caller.own, stream=call.stream)
                self._results[key] = again.value
                if again.error is None and again.value != call.value:
                    self._found(_other_result(call, again.value, "other calls"))

    def _quiet(self, during: str, callers: Sequence[Caller]) -> None:
        """All calls have ended: what do the invariants say?"""
        calls = [call for caller in callers for call in caller.calls]
        for caller in callers:
            caller.calls.clear()
        for finding in self._check(calls):
            self._found(finding, during)

    def _found(self, finding: Finding, during: str = "") -> None:
        if during:
            finding = replace(finding, message=f"after {during}: {finding.message}")
        self.findings.append(finding)

    def _unexpected(self, call: Call, during: str) -> Finding:
        if call.error == "DEADLINE_EXCEEDED":
            self._budget.end()  # whoever hangs keeps its thread, and soon nothing runs
            return Finding(
                "deadlock" if during != "alone" else "crash",
                call.tool,
                f"{call} did not end within {self._patience:g} s, called during {during}.",
                sides=self._stacks(),
                explanation="Called alone, the tool answers." if during != "alone" else "",
                mend="Take several locks in one order everywhere, and call nothing that waits "
                "for another call while holding one.",
            )
        if call.error in _STATUSES:
            if call.error == "UNAVAILABLE":
                self._budget.end()
            return Finding(
                "crash",
                call.tool,
                f"{call}, called during {during}.",
                explanation="The call ended with a status that no tool's answer brings.",
            )
        return Finding(
            "crash",
            call.tool,
            f"{call}, called during {during}.",
            explanation=f"No call of {call.tool} that ran alone raised {call.error}. If it is an "
            "answer like any other, name it in the adapter's __expected_errors__.",
            mend="Hold one lock over the check and what depends on it.",
        )


def _key(call: Call) -> tuple[str, str]:
    return call.tool, json.dumps(call.arguments, sort_keys=True, default=repr)


def _is_stream_refusal(value: object) -> bool:
    return isinstance(value, dict) and "Streaming tool called" in str(value.get("error", ""))


def _other_result(call: Call, alone: object, during: str) -> Finding:
    return Finding(
        "invariant-broken",
        call.tool,
        f"{call} during {during}; called alone it returns {shortened(alone)}.",
        explanation="The tool is declared deterministic: equal arguments give equal results, "
        "whatever else runs.",
        mend="Something that the tool uses is shared by its calls and changed by them.",
    )
