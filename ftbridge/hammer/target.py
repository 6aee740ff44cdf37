"""`ftstress run` for adapters and addresses: a seed, a budget, a report.

`ftstress` imports this module when such a target is named; it must never be imported by anything
that serves.
"""

import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Final, Self

from ftbridge.client import Client, ClientError
from ftbridge.hammer import arguments, load
from ftbridge.hammer.calling import Budget
from ftbridge.hammer.records import Call, Ended, Order, Started
from ftstress.findings import Build, Explored, Finding, Report, Side, deduplicated
from ftstress.served import PATIENCE
from ftstress.suppressions import Suppression

SECONDS: Final = 15.0
"""How long a run takes that nobody gives a time or a number of calls."""

_ANSWER_SECONDS: Final = 120.0  # for anything that is asked of the serving process
_END_SECONDS: Final = 2.0  # for its process to end, when its line is closed
_SEEDS: Final = 1_000_000

NOT_PROVED: Final = (
    "A pass means that the calls which were made, in the order in which they happened to run, "
    "did nothing wrong that was looked for. Made-up arguments reach only some of a tool's code; "
    "what other arguments, sessions and orders would have done is not known."
)
NO_RACES: Final = (
    "No race was looked for inside the server, which runs elsewhere: only answers and the author's "
    "declarations were."
)
RACES: Final = (
    "Races were looked for in the adapter's own modules and those named with --instrument, not in "
    "C extensions nor in other packages."
)


class ServerLostError(RuntimeError):
    """The serving process ended, or does not answer."""


class _Server:
    """The process that serves."""

    def __init__(self, order: Order) -> None:
        ours, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-X",
                "faulthandler",
                "-m",
                "ftbridge.hammer.child",
                str(theirs.fileno()),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        theirs.close()
        self._line = Connection(ours.detach())
        self._line.send(("order", order))
        try:
            self.started: Started = self._answer()
        except ServerLostError as error:
            ending = self.ending()
            self.__exit__()
            raise ValueError(f"{order.spec} cannot be served: {error}\n{ending}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def ask(self, word: str, argument: object = None) -> Any:
        """Raises ServerLostError."""
        try:
            self._line.send((word, argument))
        except OSError as error:
            raise ServerLostError(f"{word!r} cannot be asked of it") from error
        return self._answer()

    def _answer(self) -> Any:
        try:
            if not self._line.poll(_ANSWER_SECONDS):
                raise ServerLostError(f"the server did not answer within {_ANSWER_SECONDS:g} s")
            word, answer = self._line.recv()
        except (EOFError, OSError) as error:
            raise ServerLostError("it ended without an answer") from error
        if word == "failed":
            raise ServerLostError(str(answer))
        return answer

    def ending(self) -> str:
        """How the process ended."""
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the serving process runs\n{self.log()}"
        how = f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
        return f"the serving process ended with {how}\n{self.log()}"

    def log(self, most: int = 4000) -> str:
        """The end of what it has printed."""
        self._log.seek(0)
        return self._log.read()[-most:].decode("utf-8", "replace")


def adapter_report(
    spec: str,
    *,
    seed: int | None = None,
    seconds: float | None = None,
    calls: int | None = None,
    patterns: Sequence[str] = (),
    suppressed: Sequence[Suppression] = (),
    detect: bool = True,
    serialize: bool = False,
    patience: float = PATIENCE,
    progress: Callable[[str, int], None] | None = None,
) -> Report:
    """Serve ``pkg.mod:Adapter`` in a process of its own, hammer it, look for races inside.

    Args:
        seed: of the calls; drawn if None. seconds, calls: when to end, whichever comes first.
        patterns: of further modules to look into, as for `ftstress.instrument()`.
        detect: look for races. Without, calls are some times faster.
        patience: seconds after which a call is taken to hang.

    Raises:
        ValueError: the adapter cannot be loaded or served.
    """
    seed = secrets.randbelow(_SEEDS) if seed is None else seed
    begun = time.monotonic()
    order = Order(spec, seed, serialize, detect, tuple(patterns), suppressed=tuple(suppressed))
    budget = Budget(_seconds(seconds, calls), calls)
    with _Server(order) as server:
        hammer = load.Hammer(
            f"127.0.0.1:{server.started.port}",
            server.started.cases,
            seed=seed,
            budget=budget,
            check=lambda made: _checked(server, made),
            restart=lambda: f"127.0.0.1:{server.ask('restart').port}",
            stacks=lambda: _stacks(server),
            patience=patience,
            progress=progress,
        )
        ended: Ended | None = None
        lost: list[Finding] = []
        try:
            hammer.run()
            ended = server.ask("stop")
        except (ServerLostError, ExceptionGroup, ClientError) as error:
            lost.append(_lost(spec, server, error))
        findings = [*hammer.findings, *lost]
        if ended is not None and ended.setups != ended.teardowns:
            findings.append(_unbalanced(spec, ended))
        replay = _replay(spec, seed, budget.calls, patterns, detect, serialize)
        return Report(
            f"{spec} (seed {seed})",
            deduplicated(
                _with_replay(finding, seed, replay)
                for finding in (*(ended.races if ended else ()), *findings)
            ),
            _explored(spec, hammer, budget, seed, time.monotonic() - begun, ended),
            (NOT_PROVED, RACES if detect else NO_RACES),
            ended.doubts if ended else (),
            ended.benign if ended else (),
            build=Build.this(),
        )


def address_report(
    address: str,
    *,
    seed: int | None = None,
    seconds: float | None = None,
    calls: int | None = None,
    patience: float = PATIENCE,
    progress: Callable[[str, int], None] | None = None,
) -> Report:
    """Hammer the server at ``HOST:PORT``: calls and what it declares, nothing inside it.

    Raises:
        ValueError: nobody answers there, or it offers no tools.
    """
    seed = secrets.randbelow(_SEEDS) if seed is None else seed
    begun = time.monotonic()
    budget = Budget(_seconds(seconds, calls), calls)
    try:
        with Client(address) as client:
            tools = client.tools()
    except ClientError as error:
        raise ValueError(f"{address}: {error}") from error
    if not tools:
        raise ValueError(f"{address} offers no tools")
    hammer = load.Hammer(
        address,
        [arguments.of_remote(tools[name]) for name in sorted(tools)],
        seed=seed,
        budget=budget,
        patience=patience,
        progress=progress,
    )
    lost = []
    try:
        hammer.run()
    except (ExceptionGroup, ClientError) as error:
        lost.append(Finding("crash", address, f"the server was lost: {_words(error)}"))
    replay = _replay(address, seed, budget.calls)
    return Report(
        f"{address} (seed {seed})",
        deduplicated(_with_replay(f, seed, replay) for f in (*hammer.findings, *lost)),
        _explored(address, hammer, budget, seed, time.monotonic() - begun, None),
        (NOT_PROVED, NO_RACES),
    )


def _seconds(seconds: float | None, calls: int | None) -> float | None:
    return SECONDS if seconds is None and calls is None else seconds


def _checked(server: _Server, made: list[Call]) -> list[Finding]:
    if not server.started.invariants:
        return []
    found: list[Finding] = server.ask("check", made)
    return found


def _stacks(server: _Server) -> tuple[Side, ...]:
    found: tuple[Side, ...] = server.ask("stacks")
    return found


def _lost(spec: str, server: _Server, error: BaseException) -> Finding:
    return Finding(
        "crash",
        spec,
        "\n".join(dict.fromkeys((f"the server was lost: {_words(error)}", server.ending()))),
        explanation="The process that serves ended, or did not answer, while calls were made.",
    )


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_words(one) for one in error.exceptions))
    return f"{type(error).__name__}: {error}"


def _unbalanced(spec: str, ended: Ended) -> Finding:
    return Finding(
        "invariant-broken",
        f"{spec} lifecycle",
        f"{ended.setups} instances were set up and {ended.teardowns} taken down.",
        explanation="After a stop, teardown() has run once for each instance whose setup() did.",
    )


def _with_replay(finding: Finding, seed: int, replay: str) -> Finding:
    return replace(finding, seed=seed, replay=finding.replay or replay)


def _replay(
    target: str,
    seed: int,
    calls: int,
    patterns: Sequence[str] = (),
    detect: bool = True,
    serialize: bool = False,
) -> str:
    words = ["python -m ftstress run", target, f"--seed {seed}", f"--calls {calls}"]
    words += [f"--instrument {pattern}" for pattern in patterns]
    words += [] if detect else ["--detect none"]
    words += ["--serialize"] if serialize else []
    return " ".join(words)


def _explored(
    target: str,
    hammer: load.Hammer,
    budget: Budget,
    seed: int,
    seconds: float,
    ended: Ended | None,
) -> tuple[Explored, ...]:
    done = min(hammer.pairs, hammer.all_pairs)
    calls = Explored(
        target,
        f"calls through the server; {done} of {hammer.all_pairs} pairs of tools, "
        f"{hammer.cycles} whole cycles",
        seconds,
        runs=hammer.cycles or 1,
        operations=budget.calls,
        unit="calls",
        threads=hammer.threads,
        seeds=(seed,),
        is_complete=False,
    )
    if ended is None or not ended.accesses:
        return (calls,)
    inside = Explored(
        target,
        "races, atomicity, lock order and deadlocks, looked for inside the server",
        seconds,
        operations=ended.accesses,
        unit="accesses",
        threads=ended.threads,
        modules=ended.instrumented,
    )
    return (calls, inside)
