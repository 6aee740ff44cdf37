"""`tools/bench memory`: calls at once over one model, in one process or in a process each.

The memory counted is that of all processes of an arm while as many calls are under way as the arm
has launches: resident (RSS, which counts a page that two processes share twice), proportional (PSS,
which divides it between them) and private (what only one process has). Two arms are servers by
themselves: one ftbridge process with a thread a call, and the incumbent's arrangement of stock
workers on the GIL build, one call and one copy of the model each. The two others are what a
Snakepit host starts: launches that share a server, and launches that do not.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from .client import Client
from .contenders import ftbridge, stock
from .errors import BenchError
from .memory_result import ARMS, ONE, PROCESSES, SHARED, Memory, MemoryResult
from .model_adapter import MODEL_VARIABLE
from .names import OURS
from .processes import START_SECONDS, STOP_SECONDS, environment, running
from .request import execute_request
from .spread import rotated

ADAPTER: Final = "tools.bench_lib.model_adapter.ModelAdapter"
SCRIPT: Final = Path("ftbridge/compat/scripts/grpc_server.py")

HOLD_SECONDS: Final = 3.0
"""That each call takes; the memory is read meanwhile."""

_SETTLE_SECONDS = 0.5
_LIFE_SECONDS = 300.0
_POLL_SECONDS = 0.02
_MIB = 1024  # kB, the unit of /proc
_FIELDS: Final = {
    "Rss": "rss",
    "Pss": "pss",
    "Private_Clean": "private",
    "Private_Dirty": "private",
}


def run(
    python: Path,
    gil_python: Path,
    *,
    launches: int,
    model_mib: int,
    rounds: int,
    root: Path,
    progress: Callable[[str], None],
) -> MemoryResult:
    """Measure every arm in each round.

    Raises:
        BenchError: a launch did not come up, or the calls were not under way at once.
    """
    result = MemoryResult(launches=launches, model_mib=model_mib)
    for turn in range(rounds):
        for arm in rotated(ARMS, turn):
            progress(f"round {turn + 1} of {rounds}: {arm}")
            with _pool(arm, python, gil_python, launches, model_mib, root) as (ports, pids):
                result.rounds[arm].append(_busy(arm, ports, pids, launches))
    return result


@contextmanager
def _pool(
    arm: str, python: Path, gil_python: Path, launches: int, model_mib: int, root: Path
) -> Iterator[tuple[list[int], list[int]]]:
    """Ports, one for each call, and the processes of an arm, each warmed up by a call."""
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        pids: set[int] = set()
        if arm == ONE:
            plain = ftbridge(OURS, python, threads=launches, gil=False, adapter=ADAPTER)
            # timeout(1) hands the environment on; the model's size is in it.
            command = ("env", f"{MODEL_VARIABLE}={model_mib}", *plain.command)
            server = stack.enter_context(
                running(command, name=arm, root=root, life_seconds=_LIFE_SECONDS)
            )
            ports = [server.port] * launches
        elif arm == PROCESSES:
            plain = stock(arm, gil_python, kind="sync", threads=1)
            command = (*plain.command, "--model", str(model_mib))
            ports = [
                stack.enter_context(
                    running(command, name=arm, root=root, life_seconds=_LIFE_SECONDS)
                ).port
                for _ in range(launches)
            ]
        else:
            launched = [
                stack.enter_context(_launch(python, arm, folder, number, model_mib, root))
                for number in range(launches)
            ]
            # The launchers of a shared server stay, and count.
            pids = {process.pid for process, _ in launched}
            ports = [_port(process, ready) for process, ready in launched]
        serving = {_process_at(port, arm, model_mib) for port in ports}
        if len(serving) != (1 if arm in (ONE, SHARED) else launches):
            raise BenchError(f"{arm}: {len(serving)} processes answer for {launches} launches")
        yield ports, sorted(pids | serving)


def _process_at(port: int, arm: str, model_mib: int) -> int:
    with Client(port, name=arm) as client:
        found = client.tool("process_id")
    if found["model"] != model_mib << 20:
        raise BenchError(f"{arm} holds a model of {found['model']} bytes, not {model_mib} MiB")
    return int(found["pid"])


def _busy(arm: str, ports: Sequence[int], pids: Sequence[int], launches: int) -> Memory:
    """What the processes hold while a call is under way for each port."""
    request = execute_request("wait", {"seconds": HOLD_SECONDS})
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(port, name=arm)) for port in ports]
        began = time.monotonic()
        futures = [client.start(request) for client in clients]
        time.sleep(_SETTLE_SECONDS)
        found = measure(pids)
        for client, future in zip(clients, futures, strict=True):
            client.result(future, "wait")
        took = time.monotonic() - began
    if took > 2 * HOLD_SECONDS:
        raise BenchError(
            f"{arm}: {launches} calls of {HOLD_SECONDS:g} s took {took:.1f} s, so they were not"
            " under way at once"
        )
    return found


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
            **environment(),
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
    sums = {"rss": 0, "pss": 0, "private": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in _FIELDS:
                sums[_FIELDS[name]] += int(rest.split()[0])
    mib = {name: value / _MIB for name, value in sums.items()}
    return Memory(rss=mib["rss"], pss=mib["pss"], private=mib["private"], processes=len(pids))
