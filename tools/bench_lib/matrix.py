"""What `tools/bench rpc` measures: kinds of call, connections, calls under way on each.

Must never import grpc.
"""

from __future__ import annotations

from typing import Final

from .rpc_result import MIXED, Point
from .workloads import FOUR_KIB, ONE_MIB, SMALL, STREAM, WORKLOADS

CONNECTIONS: Final = (1, 4, 32)
STREAMS: Final = (1, 16, 100)

MIX: Final = ((SMALL, 2, 8), (FOUR_KIB, 1, 8), (STREAM, 1, 2), (ONE_MIB, 1, 1))
"""Workload, connections and streams of each part of the mix."""

_MIXED_POINT: Final = Point(
    workload=MIXED,
    connections=sum(connections for _, connections, _ in MIX),
    streams=max(streams for _, _, streams in MIX),
)


def matrix(*, full: bool) -> tuple[Point, ...]:
    """The points to measure: those that tell most, or all."""
    if full:
        found = [
            Point(workload=workload.name, connections=connections, streams=streams)
            for workload in WORKLOADS
            for connections in CONNECTIONS
            for streams in STREAMS
            if connections * streams <= (workload.most_streams or connections * streams)
        ]
        return (*found, _MIXED_POINT)
    return (
        *(
            Point(workload=SMALL.name, connections=connections, streams=streams)
            for connections, streams in ((1, 1), (1, 16), (4, 16), (4, 100), (32, 1))
        ),
        Point(workload=FOUR_KIB.name, connections=4, streams=16),
        Point(workload=ONE_MIB.name, connections=1, streams=1),
        Point(workload=ONE_MIB.name, connections=4, streams=1),
        Point(workload=STREAM.name, connections=4, streams=16),
        _MIXED_POINT,
    )
