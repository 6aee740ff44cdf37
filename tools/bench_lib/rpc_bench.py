"""`tools/bench rpc`: how many small calls a second each server answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import h2load
from .client import Client
from .contenders import BASE, Contender, rotated, served
from .errors import BenchError
from .request import echo_request, framed, least_answer_bytes
from .spread import Spread, ratios

WARM_UP_SHARE = 10
"""A tenth of the calls go before, unmeasured: imports, caches, the interpreter's own."""

_SLOWEST_RATE = 100
"""Calls a second below which a run is taken for hung."""

_TIMEOUT_FLOOR_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcResult:
    """Requests per second, by (contender, connections), one figure a round."""

    names: tuple[str, ...]
    connections: tuple[int, ...]
    rates: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    def spread(self, name: str, connections: int) -> Spread:
        return Spread.of(self.rates[name, connections])

    def ratio(self, name: str, connections: int) -> Spread:
        """Against the base, round by round."""
        return Spread.of(ratios(self.rates[name, connections], self.rates[BASE, connections]))

    def lines(self) -> list[str]:
        """A table: medians with their range."""
        width = max(map(len, self.names))
        out = []
        for count in self.connections:
            out.append("")
            plural = "connection" if count == 1 else "connections"
            out.append(
                f"{f'{count} {plural}':<{width}}  {'req/s: median (min..max)':<26}  times {BASE}"
            )
            out += [
                f"{name:<{width}}  {self.spread(name, count).format():<26}"
                f"  {self.ratio(name, count).format('.2f')}"
                for name in self.names
            ]
        return out

    def as_json(self) -> list[dict[str, object]]:
        return [
            {
                "contender": name,
                "connections": count,
                "requests_per_second": self.spread(name, count).as_json(),
                "ratio": self.ratio(name, count).as_json(),
                "rounds": self.rates[name, count],
            }
            for count in self.connections
            for name in self.names
        ]


def run(
    contenders: Sequence[Contender],
    *,
    rounds: int,
    requests: int,
    connections: Sequence[int],
    root: Path,
    progress: Callable[[str], None],
) -> RpcResult:
    """Every contender, fresh, in every round.

    Raises:
        BenchError: a server or a call failed.
    """
    result = RpcResult(
        names=tuple(contender.name for contender in contenders), connections=tuple(connections)
    )
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as folder:
        body = Path(folder) / "request"
        body.write_bytes(framed(echo_request().SerializeToString()))
        timeout = _TIMEOUT_FLOOR_SECONDS + requests / _SLOWEST_RATE
        for turn in range(rounds):
            for contender in rotated(contenders, turn):
                progress(f"round {turn + 1} of {rounds}: {contender.name}")
                life = 2 * timeout * len(connections) + _TIMEOUT_FLOOR_SECONDS
                with served(contender, root=root, life_seconds=life) as client:
                    for count in connections:
                        rate = _rate(client, body, requests, count, timeout, contender.name)
                        result.rates.setdefault((contender.name, count), []).append(rate)
    return result


def _rate(
    client: Client, body: Path, requests: int, connections: int, timeout: float, name: str
) -> float:
    answer = client.execute(echo_request())
    least = least_answer_bytes(answer)
    try:
        for number in (max(requests // WARM_UP_SHARE, connections), requests):
            rate = h2load.run(
                client.port,
                body,
                requests=number,
                connections=connections,
                least_bytes=least,
                timeout_seconds=timeout,
            )
    except BenchError as error:
        raise BenchError(f"{name}, {connections} connections: {error}") from None
    if client.execute(echo_request()).result.value != answer.result.value:
        raise BenchError(f"{name} answers otherwise after {requests} calls than before")
    return rate
