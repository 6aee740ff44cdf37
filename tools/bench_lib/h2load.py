"""h2load (nghttp2): the load of `tools/bench rpc`, and what its report says.

A C program, so that the client costs less than the servers it measures. It knows HTTP and not
gRPC: a call that failed with a grpc-status still counts as succeeded there. Such a call has no
message, so the DATA bytes tell.
"""

from __future__ import annotations

import math
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .errors import BenchError, NoAnswerError

STREAMS = 16
"""Calls under way on a connection, as where the aim of this benchmark was first measured."""

MISSING = "h2load is missing: apt-get install nghttp2-client"

WARM_UP_SECONDS = 0.3
"""Before each measurement: imports, caches, the interpreter's own."""

_PATIENCE = 4

_GRACE_SECONDS = 30.0
"""On top of a run's own time, before it is taken for hung."""

_RATE = re.compile(r"^finished in [^,]+, ([0-9.]+) req/s", re.MULTILINE)
_REQUESTS = re.compile(
    r"^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded,"
    r" (\d+) failed, (\d+) errored, (\d+) timeout",
    re.MULTILINE,
)
_STATUS = re.compile(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", re.MULTILINE)
_DATA = re.compile(r"\((\d+)\) data$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send: closed loop, or at a rate."""

    port: int
    path: str
    body: Path
    connections: int
    streams: int = STREAMS
    """Calls under way on each connection."""
    seconds: float
    """How long. Calls under way at the end are not counted."""
    rate: float | None = None
    """Calls a second over all connections; None: the next as soon as one is answered."""
    timeout: str | None = None
    """As in grpc-timeout, "250m"."""

    def command(self, log: Path) -> list[str]:
        """The command line, which writes each call's time to ``log``."""
        arguments = ["h2load", "-D", f"{self.seconds * 1000:.0f}ms", "-c", str(self.connections)]
        arguments += ["-m", str(self.streams), "-d", str(self.body), f"--log-file={log}"]
        if self.rate is not None:
            arguments.append(f"--rps={max(self.rate / self.connections, 1):.0f}")
        arguments += ["-H", "te: trailers", "-H", "content-type: application/grpc"]
        if self.timeout is not None:
            arguments += ["-H", f"grpc-timeout: {self.timeout}"]
        return [*arguments, f"http://127.0.0.1:{self.port}{self.path}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The counts of one run of h2load; ``rate`` is in requests per second."""

    rate: float
    total: int
    done: int
    succeeded: int
    failed: int
    errored: int
    timed_out: int
    ok: int
    """With HTTP status 2xx, those included whose answer was not complete when the time was over."""
    refused: int
    """With another HTTP status."""
    data_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run that went well: its report and each call's time in microseconds, in order of size."""

    report: Report
    times: Sequence[int]

    def answered(self) -> Report:
        """The report.

        Raises:
            NoAnswerError: no call was answered.
        """
        if not self.times:
            raise NoAnswerError("no call was answered: give it more time with --seconds")
        return self.report

    def percentile(self, percent: float) -> float:
        """Milliseconds within which so many of a hundred calls were answered (nearest rank).

        Raises:
            NoAnswerError: no call was answered.
        """
        self.answered()
        rank = math.ceil(len(self.times) * percent / 100)
        return self.times[max(rank, 1) - 1] / 1000

    @classmethod
    def of(cls, report: Report, log: str) -> Self:
        """From h2load's log: start, status and time of each call, a line each."""
        return cls(report=report, times=sorted(int(line.split()[2]) for line in log.splitlines()))


def parse(text: str) -> Report:
    """Raises:
    BenchError: the text is not a complete report.
    """
    rate, requests = _RATE.search(text), _REQUESTS.search(text)
    status, data = _STATUS.search(text), _DATA.search(text)
    if rate is None or requests is None or status is None or data is None:
        raise BenchError(f"h2load printed no complete report: {text[-500:].strip() or 'nothing'}")
    total, done, succeeded, failed, errored, timed_out = map(int, requests.groups())
    return Report(
        rate=float(rate[1]),
        total=total,
        done=done,
        succeeded=succeeded,
        failed=failed,
        errored=errored,
        timed_out=timed_out,
        ok=int(status[1]),
        refused=sum(int(status[number]) for number in (2, 3, 4)),
        data_bytes=int(data[1]),
    )


def check(report: Report, *, least_bytes: int) -> None:
    """Refuse a run in which a call went wrong.

    Args:
        least_bytes: DATA bytes of the shortest right answer.

    Raises:
        BenchError: a call failed, or was answered with less than a right answer has.
    """
    bad = report.failed + report.errored + report.timed_out + report.refused
    if bad or not report.total == report.done == report.succeeded <= report.ok:
        raise BenchError(
            f"of {report.total} calls {report.done} were done, {report.ok} with HTTP 2xx,"
            f" {report.failed} failed, {report.errored} errored, {report.timed_out} timed out"
        )
    if report.data_bytes < report.done * least_bytes:
        raise BenchError(
            f"{report.done} answers had {report.data_bytes} bytes of DATA, less than"
            f" {least_bytes} each: some calls ended with an error status"
        )


def run(*loads: Load, least_bytes: Sequence[int | None]) -> list[Measured]:
    """Run all loads at once; what each saw.

    Args:
        least_bytes: for each load, as `check` takes it; None where calls may go wrong.

    Raises:
        BenchError: h2load is missing, hung, or a call went wrong.
    """
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as folder:
        logs = [Path(folder) / f"log{number}" for number in range(len(loads))]
        processes: list[subprocess.Popen[str]] = []
        try:
            for load, log in zip(loads, logs, strict=True):
                processes.append(_start(load.command(log)))
            return [
                _finish(process, load, log, least)
                for process, load, log, least in zip(
                    processes, loads, logs, least_bytes, strict=True
                )
            ]
        finally:
            for process in processes:
                process.kill()
                process.wait()


def patiently[T](measure: Callable[[float], T], seconds: float) -> T:
    """What ``measure`` gives for this time, or, where nothing was answered in it, for a longer one.

    Large messages to a slow server on a busy machine can take more than a short measurement.

    Raises:
        NoAnswerError: nothing was answered in the longer time either.
    """
    try:
        return measure(seconds)
    except NoAnswerError:
        return measure(_PATIENCE * seconds)


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError:
        raise BenchError(MISSING) from None


def _finish(
    process: subprocess.Popen[str], load: Load, log: Path, least_bytes: int | None
) -> Measured:
    limit = load.seconds + _GRACE_SECONDS
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        raise BenchError(f"h2load did not end within {limit:g} s") from None
    if process.returncode:
        raise BenchError(f"h2load ended with status {process.returncode}: {err.strip()}")
    report = parse(out)
    if least_bytes is not None:
        check(report, least_bytes=least_bytes)
    return Measured.of(report, log.read_text())
