from __future__ import annotations

import pytest

from tools.bench_lib.soak import GROWTH_FLOOR_BYTES, MEMORY, SoakResult, _verdicts

AT_REST = {
    MEMORY: 50e6,
    "ftbridge_threads": 11,
    "process_open_fds": 20,
    "ftbridge_sessions": 0,
    "ftbridge_connections": 0,
    "ftbridge_calls_in_flight": 0,
    "ftbridge_queue_depth": 0,
    "ftbridge_handlers_busy": 0,
    "ftbridge_gil_enabled": 0,
}


def result(after: dict[str, float], *, wrong: int = 0, done: int = 10) -> SoakResult:
    verdicts = _verdicts(AT_REST, AT_REST | after, wrong, 10, done)
    return SoakResult(calls={}, seconds=1.0, memory=[], wrong=[], verdicts=verdicts)


def test_a_server_that_is_as_before_passes():
    assert result({MEMORY: 50e6 + GROWTH_FLOOR_BYTES}).ok


@pytest.mark.parametrize(
    "after",
    [
        {MEMORY: 50e6 + GROWTH_FLOOR_BYTES + 1},
        {"ftbridge_threads": 12},
        {"process_open_fds": 21},
        {"ftbridge_sessions": 1},
        {"ftbridge_connections": 1},
        {"ftbridge_calls_in_flight": 1},
        {"ftbridge_queue_depth": 1},
        {"ftbridge_handlers_busy": 1},
        {"ftbridge_gil_enabled": 1},
    ],
)
def test_one_that_is_not_fails_with_its_line(after):
    found = result(after)
    assert not found.ok
    assert [verdict.ok for verdict in found.verdicts].count(False) == 1
    assert "FAILED" in "\n".join(found.lines())


def test_wrong_answers_and_missing_calls_fail():
    assert not result({}, wrong=1).ok
    assert not result({}, done=9).ok
