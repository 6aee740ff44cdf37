"""h2load (nghttp2): the load of `tools/bench rpc`, and what its report says.

A C program, so that the client costs less than the servers it measures. It knows HTTP and not
gRPC: a call that failed with a grpc-status still counts as succeeded there. Such a call has no
message, so the DATA bytes tell.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchError
from .request import EXECUTE_TOOL

STREAMS = 16
"""Calls under way on a connection, as where the aim of this benchmark was first measured."""

_RATE = re.compile(r"^finished in [^,]+, ([0-9.]+) req/s", re.MULTILINE)
_REQUESTS = re.compile(
    r"^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded,"
    r" (\d+) failed, (\d+) errored, (\d+) timeout",
    re.MULTILINE,
)
_OK = re.compile(r"^status codes: (\d+) 2xx", re.MULTILINE)
_DATA = re.compile(r"\((\d+)\) data$", re.MULTILINE)


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
    data_bytes: int


def command(port: int, body: Path, *, requests: int, connections: int) -> list[str]:
    """The command line of one run."""
    return [
        "h2load",
        *("-n", str(requests), "-c", str(connections), "-m", str(STREAMS), "-d", str(body)),
        *("-H", "te: trailers", "-H", "content-type: application/grpc"),
        f"http://127.0.0.1:{port}{EXECUTE_TOOL}",
    ]


def parse(text: str) -> Report:
    """Raises:
    BenchError: the text is not a complete report.
    """
    rate, requests = _RATE.search(text), _REQUESTS.search(text)
    ok, data = _OK.search(text), _DATA.search(text)
    if rate is None or requests is None or ok is None or data is None:
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
        ok=int(ok[1]),
        data_bytes=int(data[1]),
    )


def check(report: Report, *, requests: int, least_bytes: int) -> None:
    """Refuse a run in which a call went wrong.

    Args:
        least_bytes: DATA bytes of the shortest right answer.

    Raises:
        BenchError: not every call was answered, or not with as much as a right answer has.
    """
    bad = report.failed + report.errored + report.timed_out
    if bad or not report.total == report.done == report.succeeded == report.ok == requests:
        raise BenchError(
            f"of {requests} calls {report.done} were done, {report.ok} with HTTP 2xx,"
            f" {report.failed} failed, {report.errored} errored, {report.timed_out} timed out"
        )
    if report.data_bytes < requests * least_bytes:
        raise BenchError(
            f"{requests} answers had {report.data_bytes} bytes of DATA, less than"
            f" {least_bytes} each: some calls ended with an error status"
        )


def run(
    port: int,
    body: Path,
    *,
    requests: int,
    connections: int,
    least_bytes: int,
    timeout_seconds: float,
) -> float:
    """One run against a server on 127.0.0.1; requests per second.

    Raises:
        BenchError: h2load is missing, hung, or a call went wrong.
    """
    arguments = command(port, body, requests=requests, connections=connections)
    try:
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise BenchError("h2load is missing: apt-get install nghttp2-client") from None
    except subprocess.TimeoutExpired:
        raise BenchError(
            f"h2load did not finish {requests} calls within {timeout_seconds:g} s"
        ) from None
    if done.returncode:
        raise BenchError(f"h2load ended with status {done.returncode}: {done.stderr.strip()}")
    report = parse(done.stdout)
    check(report, requests=requests, least_bytes=least_bytes)
    return report.rate
