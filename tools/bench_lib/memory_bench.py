"""`tools/bench memory`: a Snakepit pool that shares one server, against a process a launch.

Every launch is started as the host starts it and holds the same model; the memory counted is that
of all its processes, the shared server's included: resident (RSS, which counts a page shared by two
processes twice) and proportional (PSS, which divides it between them).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .client import Client
from .contenders import rotated
from .errors import BenchError
from .model_adapter import MODEL_VARIABLE
from .processes import START_SECONDS, STOP_SECONDS
from .spread import Spread, ratios

SHARED = "one server, shared"
SEPARATE = "a process each"
ARMS = (SHARED, SEPARATE)

ADAPTER = "tools.bench_lib.model_adapter.ModelAdapter"
SCRIPT = Path("ftbridge/compat/scripts/grpc_server.py")

_POLL_SECONDS = 0.02
_MIB = 1024  # kB, the unit of /proc


@dataclass(frozen=True, slots=True)
class Memory:
    """Of all processes of an arm, in MiB."""

    rss: float
    pss: float
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryResult:
    """Rounds by arm."""

    launches: int
    model_mib: int
    rounds: dict[str, list[Memory]] = field(default_factory=lambda: {arm: [] for arm in ARMS})

    def ratio(self, measure: str) -> Spread:
        """Memory of separate processes over that of the shared server and its launchers."""
        figures = {arm: [float(getattr(m, measure)) for m in self.rounds[arm]] for arm in ARMS}
        return Spread.of(ratios(figures[SEPARATE], figures[SHARED]))

    def lines(self) -> list[str]:
        """A table: an arm a line, then the ratios."""
        out = [f"{'':22}{'processes':>10}{'RSS, MiB':>26}{'PSS, MiB':>26}"]
        for arm in ARMS:
            rounds = self.rounds[arm]
            rss, pss = (Spread.of([getattr(m, name) for m in rounds]) for name in ("rss", "pss"))
            out.append(
                f"{arm:22}{rounds[0].processes:>10}{rss.format(',.0f'):>26}{pss.format(',.0f'):>26}"
            )
        out.append(
            f"{self.launches} launches, a model of {self.model_mib} MiB: separate processes take "
            f"{self.ratio('rss').format('.2f')} times the RSS, "
            f"{self.ratio('pss').format('.2f')} times the PSS"
        )
        return out

    def as_json(self) -> dict[str, object]:
        arms = {
            arm: [{"rss_mib": m.rss, "pss_mib": m.pss, "processes": m.processes} for m in found]
            for arm, found in self.rounds.items()
        }
        ratio = {name: self.ratio(name).as_json() for name in ("rss", "pss")}
        return {
            "launches": self.launches,
            "model_mib": self.model_mib,
            "arms": arms,
            "separate_over_shared": ratio,
        }


def run(python: Path, *, launches: int, model_mib: int, rounds: int, root: Path) -> MemoryResult:
    """Measure both arms in each round.

    Raises:
        BenchError: a launch did not come up, or the shared one is not shared.
    """
    result = MemoryResult(launches=launches, model_mib=model_mib)
    for turn in range(rounds):
        for arm in rotated(ARMS, turn):
            with pool(python, arm, launches=launches, model_mib=model_mib, root=root) as pids:
                result.rounds[arm].append(measure(pids))
    return result


@contextmanager
def pool(
    python: Path, arm: str, *, launches: int, model_mib: int, root: Path
) -> Iterator[list[int]]:
    """All processes of an arm, each warmed up by a call."""
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        launched = [
            stack.enter_context(_launch(python, arm, folder, number, model_mib, root))
            for number in range(launches)
        ]
        pids = {process.pid for process, _ in launched}
        serving = set()
        for process, ready in launched:
            with Client(_port(process, ready), name=arm) as client:
                serving.add(int(client.tool("process_id")["pid"]))
        if len(serving) != (1 if arm == SHARED else launches):
            raise BenchError(f"{arm}: {len(serving)} processes answer for {launches} launches")
        yield sorted(pids | serving)


@contextmanager
def _launch(
    python: Path, arm: str, folder: Path, number: int, model_mib: int, root: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    ready = folder / f"snakepit_ready_worker_{number}_1"
    command = [str(python), str(root / SCRIPT), "--adapter", ADAPTER]
    if arm == SHARED:
        command.append("--shared")
    process = subprocess.Popen(
        command,
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "SNAKEPIT_READY_FILE": str(ready),
            "SNAKEPIT_PROCESS_GROUP": "1",
            "XDG_RUNTIME_DIR": str(folder),
            MODEL_VARIABLE: str(model_mib),
        },
        # Should this process be killed, the pipe's end is what ends a launch, as under its host.
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=(folder / f"log{number}").open("wb"),
        start_new_session=True,
    )
    try:
        yield process, ready
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None
        process.stdin.close()


def _port(process: subprocess.Popen[bytes], ready: Path) -> int:
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        if ready.exists():
            return int(ready.read_text())
        if process.poll() is not None:
            log = ready.with_name(f"log{ready.name.split('_')[3]}")
            raise BenchError(f"a launch ended with {process.returncode}: {log.read_text()[-500:]}")
        time.sleep(_POLL_SECONDS)
    raise BenchError(f"a launch was not ready within {START_SECONDS:g} s")


def measure(pids: Sequence[int]) -> Memory:
    """What these processes hold now, by the kernel's count."""
    rss = pss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "Rss":
                rss += int(rest.split()[0])
            elif name == "Pss":
                pss += int(rest.split()[0])
    return Memory(rss / _MIB, pss / _MIB, len(pids))
