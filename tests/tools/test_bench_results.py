"""Tests of what ``tools.bench_lib`` makes of its figures: ratios, aims, tables. No timing."""

import functools
import json
from collections.abc import Callable

import pytest

from tools.bench_lib import codec_worker, heavy_work
from tools.bench_lib.codec_bench import OURS as OUR_CODEC
from tools.bench_lib.codec_bench import UPB, CodecResult
from tools.bench_lib.fairness_result import FairnessResult
from tools.bench_lib.fairness_result import Sample as FairnessSample
from tools.bench_lib.locks_result import LocksResult
from tools.bench_lib.matrix import matrix
from tools.bench_lib.memory_result import ONE, PROCESSES, Memory, MemoryResult
from tools.bench_lib.names import AIO, BASE, OURS, STATIC, TWIN
from tools.bench_lib.names import PROCESSES as FLEET
from tools.bench_lib.profiles import lock_lines, perf_lines
from tools.bench_lib.rpc_result import Point, RpcResult
from tools.bench_lib.rpc_result import Sample as RpcSample
from tools.bench_lib.scaling_result import Limits, ScalingResult
from tools.bench_lib.scaling_result import Sample as ScalingSample
from tools.bench_lib.startup_result import StartupResult, import_times
from tools.bench_lib.tools_result import Sample as ToolSample
from tools.bench_lib.tools_result import ToolsResult
from tools.bench_lib.workloads import BURN, TOOLS, WORKLOADS

POINT = Point(workload="small", connections=1, streams=16)


# --- rpc ------------------------------------------------------------------------------------------


def _rpc(*, parallel: bool = True, **rates: list[float]) -> RpcResult:
    names = {"ours": OURS, "base": BASE, "twin": TWIN, "static": STATIC}
    samples = {
        (POINT, names[key]): [
            RpcSample(rate=rate, p50_ms=1, p99_ms=2, p999_ms=3, cpu_us=4, rss_mib=5)
            for rate in found
        ]
        for key, found in rates.items()
    }
    return RpcResult(
        names=tuple(names.values()), points=(POINT,), parallel=parallel, samples=samples
    )


def test_aims_are_judged_by_ratios_inside_a_round() -> None:
    result = _rpc(ours=[800, 500], base=[100, 50], twin=[400, 400])
    assert [(aim.measure, aim.value.median, aim.verdict) for aim in result.aims()] == [
        (f"small call, 1 connection, times {BASE}", 9, "reached"),
        (f"small call, 1 connection, times {TWIN}", 1.625, "missed"),
    ]


def test_without_a_second_core_nothing_is_judged() -> None:
    result = _rpc(parallel=False, ours=[800], base=[100])
    assert [aim.verdict for aim in result.aims()] == ["not judged"]


def test_who_was_not_measured_is_in_no_table_and_no_aim() -> None:
    result = _rpc(ours=[800])
    assert result.aims() == []
    [table] = result.section("x").tables
    assert [row[0] for row in table.rows] == [OURS]
    assert [cell["contender"] for cell in result.as_json()] == [OURS]


def test_the_whole_matrix_has_every_workload_at_every_size_that_can_be_held() -> None:
    full = matrix(full=True)
    assert set(matrix(full=False)) <= set(full) | set(matrix(full=False))
    assert {point.workload for point in full} == {*(each.name for each in WORKLOADS), "mixed"}
    small = {(p.connections, p.streams) for p in full if p.workload == "small"}
    assert small == {(c, s) for c in (1, 4, 32) for s in (1, 16, 100)}
    assert all(p.connections * p.streams <= 64 for p in full if p.workload == "1m")
    assert len(set(full)) == len(full)


# --- tools ----------------------------------------------------------------------------------------


def _tools(**rates: list[float]) -> ToolsResult:
    names = {"ours": OURS, "twin": TWIN, "base": BASE, "aio": AIO, "fleet": FLEET}
    samples = {
        (BURN.name, names[key]): [
            ToolSample(rate=rate, p50_ms=1, p99_ms=2, cpu_us=3, rss_mib=4) for rate in found
        ]
        for key, found in rates.items()
    }
    return ToolsResult(
        names=tuple(names.values()), tools=(BURN,), callers=8, parallel=True, samples=samples
    )


def test_the_best_gil_contender_is_found_round_by_round_and_is_one_process() -> None:
    result = _tools(ours=[200, 180], twin=[100, 70], base=[90, 80], aio=[50, 90], fleet=[500, 500])
    assert result.best_gil(BURN.name) == [100, 90]
    [aim] = result.section("x").aims
    assert (aim.value.median, aim.verdict) == (2.0, "reached")


@pytest.mark.parametrize(
    ("tool", "arguments", "key", "value"),
    [
        ("methods", {"steps": 3}, "balance", 6),
        ("array", {"size": 5}, "sum", sum(n * 7919 % 104729 for n in range(5))),
        ("wait", {"milliseconds": 0}, "waited", 0),
        ("hot", {"steps": 2}, "steps", 2),
    ],
)
def test_a_heavy_tool_does_its_work(
    tool: str, arguments: dict[str, float], key: str, value: float
) -> None:
    assert getattr(heavy_work, tool)(**arguments)[key] == value


def test_the_analysis_is_the_examples() -> None:
    assert heavy_work.analysis()["functions"] > 3


def test_every_tool_can_be_asked_for() -> None:
    for tool in TOOLS:
        assert tool.body()


# --- fairness -------------------------------------------------------------------------------------


def _fair(p99: float, goodput: float) -> FairnessSample:
    return FairnessSample(
        half_p50=1,
        half_p99=p99,
        half_p999=9,
        alone_p99=1,
        beside_p99={"small": 2, "burn": 3},
        peak=100,
        goodput=goodput,
    )


def test_goodput_and_latency_are_judged() -> None:
    samples = {OURS: [_fair(5, 85), _fair(7, 75)], BASE: [_fair(10, 10), _fair(5, 10)]}
    result = FairnessResult(
        names=(OURS, BASE), parallel=True, half_rates=[1.0, 2.0], samples=samples
    )
    aims = result.section("x").aims
    assert [(aim.value.median, aim.verdict) for aim in aims] == [
        (0.8, "reached"),
        (0.95, "reached"),
    ]


# --- scaling --------------------------------------------------------------------------------------


def test_what_a_core_adds_is_told() -> None:
    samples = {
        (BURN.name, name, cores): [
            ScalingSample(rate=rate, cpu_us=1000, used=0.9) for rate in rates
        ]
        for name, cores, rates in ((OURS, 1, [100, 50]), (OURS, 2, [190, 90]))
    }
    limits = {BURN.name: Limits(locks=(("Lock made at x.py:1", 7.5, 3),), symbols=(), perf=False)}
    result = ScalingResult(
        names=(OURS,), tools=(BURN,), cores=(1, 2), parallel=True, samples=samples, limits=limits
    )
    assert result.speed_up(BURN.name, OURS, 2).median == pytest.approx(1.85)
    assert result.added(BURN.name, OURS, 2).median == pytest.approx(0.85)
    section = result.section("x")
    assert [table.title for table in section.tables] == [
        BURN.title,
        f"locks waited for, {OURS}, all cores",
    ]
    json.dumps(section.as_json())


def test_only_locks_that_were_waited_for_limit() -> None:
    def lock(label: str, count: int, total: int) -> dict[str, object]:
        return {"label": label, "wait": {"count": count, "total_ns": total}}

    locks = [lock("idle", 0, 0), lock("some", 2, 1_000_000), lock("worst", 1, 3_000_000)]
    found = lock_lines({"locks": locks})
    assert found == [("worst", 3.0, 1), ("some", 1.0, 2)]
    assert lock_lines({}) == []


def test_perfs_report_is_read() -> None:
    text = """\
# Overhead  Shared Object       Symbol                     IPC   [IPC Coverage]
    21.60%  python3.13t         [.] _PyEval_EvalFrameDefault               -      -
     9.10%  [kernel.kallsyms]   [k] finish_task_switch.isra.0              -      -
"""
    assert perf_lines(text) == [
        ("_PyEval_EvalFrameDefault (python3.13t)", 21.6),
        ("finish_task_switch.isra.0 ([kernel.kallsyms])", 9.1),
    ]


# --- memory ---------------------------------------------------------------------------------------


def _memory(launches: int) -> MemoryResult:
    result = MemoryResult(launches=launches, model_mib=50)
    for arm, found in result.rounds.items():
        size = {ONE: 100.0, PROCESSES: 1400.0}.get(arm, 300.0)
        found.append(Memory(rss=size, pss=size / 2, private=size / 4, processes=launches))
    return result


def test_memory_is_judged_at_the_size_of_the_aim_only() -> None:
    aims = _memory(16).section("x").aims
    assert [(aim.value.median, aim.verdict) for aim in aims] == [(14, "reached")] * 2
    assert _memory(4).section("x").aims == []


# --- codec and startup ----------------------------------------------------------------------------


def test_codecs_are_compared_inside_a_round() -> None:
    def both(us: float) -> dict[str, float]:
        steps = ("decode request, small", "encode response, small")
        more = ("request to arguments, small", "value to response, small")
        return dict.fromkeys(steps, us) | dict.fromkeys(more, 3 * us)

    rounds = {
        name: [both(us), both(2 * us)]
        for name, us in ((OUR_CODEC, 3.0), ("generated, GIL", 2.0), (UPB, 2.0))
    }
    aims = CodecResult(rounds=rounds).section("x").aims
    assert [(aim.value.median, aim.verdict) for aim in aims] == [(1.5, "missed")] * 2


@pytest.mark.parametrize("codec", [codec_worker.ours, codec_worker.protobuf])
def test_the_codecs_are_asked_for_the_same(
    codec: Callable[[], dict[str, functools.partial[object]]],
) -> None:
    other = codec_worker.protobuf() if codec is codec_worker.ours else codec_worker.ours()
    for name, step in codec().items():
        assert step() == other[name]() or name.startswith("value to response"), name


def test_a_codec_is_timed() -> None:
    assert codec_worker.measure({"step": lambda: None}, chunks=1)["step"] > 0


def test_import_times_are_read() -> None:
    text = """\
import time: self [us] | cumulative | imported package
import time:       170 |        170 |   zipimport
import time:      1200 |       1370 | ftbridge
WARNING: something else
"""
    assert import_times(text) == {"zipimport": 170, "ftbridge": 1200}


def test_a_start_is_judged_by_its_median() -> None:
    result = StartupResult(
        names=(OURS,),
        parallel=True,
        seconds={OURS: [0.4, 0.45, 0.9]},
        cpu={OURS: [0.3, 0.3, 0.3]},
    )
    [aim] = result.section("x").aims
    assert (aim.value.median, aim.verdict) == (0.45, "reached")


# --- locks ----------------------------------------------------------------------------------------


def _round(ours: float, profiled: float, two: float) -> dict[str, object]:
    times = {
        "threading.Lock, with": 100.0,
        "ftlocks.Lock, with": ours,
        "ftlocks.Lock, with, profiled": profiled,
    }
    return {"uncontended": times, "scaling": {"one lock": {"1": 10.0, "2": two}}}


def test_locks_are_compared_with_threadings_of_the_same_round() -> None:
    result = LocksResult(parallel=True, rounds={"GIL": [_round(90, 250, 8), _round(110, 290, 12)]})

    off = result.against_threading("GIL", "Lock, with")
    assert (off.low, off.median, off.high) == (0.9, 1.0, 1.1)
    assert result.against_threading("GIL", "Lock, with", profiled=True).median == pytest.approx(2.7)
    assert result.gain("GIL", "one lock").median == pytest.approx(1.0)
    section = result.section("x")
    assert [(aim.measure, aim.verdict) for aim in section.aims] == [
        ("GIL: ftlocks.Lock, with, times threading.Lock, with", "reached"),
        ("GIL: ftlocks.Lock, with, profiled, times threading.Lock, with", "reached"),
    ]
    assert [row[0] for row in section.tables[0].rows] == [
        "GIL: threading.Lock, with",
        "GIL: ftlocks.Lock, with",
        "GIL: ftlocks.Lock, with, profiled",
    ]


def test_what_threading_has_not_is_shown_beside_its_rlock() -> None:
    times = {"threading.RLock, with": 100.0, "ftlocks.Odd, with": 250.0}
    result = LocksResult(parallel=True, rounds={"GIL": [{"uncontended": times, "scaling": {}}]})

    [row] = [row for row in result.section("x").tables[0].rows if "ftlocks.Odd" in row[0]]
    assert row[2] == "2.50 (2.50..2.50) (its RLock)"


def test_a_served_adapter_is_compared_with_the_profile_off() -> None:
    rates = {"not profiled": [100.0, 200.0], "profiled": [96.0, 194.0]}
    quiet = LocksResult(parallel=True, rates=rates)

    assert quiet.served().median == pytest.approx(0.965)
    assert [aim.verdict for aim in quiet.section("x").aims] == ["reached"]
    busy = LocksResult(parallel=False, rates=rates)
    assert [aim.verdict for aim in busy.section("x").aims] == ["not judged"]
