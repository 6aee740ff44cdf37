"""Tests of ``tools.bench_lib``: reading reports, statistics, refusals. No timing."""

import dataclasses
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftbridge.wire.proto import snakepit_bridge_pb2 as pb
from tests.tools.fake_machine import REPOSITORY
from tools.bench_lib import h2load, locks_round, machine, request, work, workloads
from tools.bench_lib.control import LEAST_SCALING, Control
from tools.bench_lib.errors import BenchError, NoAnswerError
from tools.bench_lib.processes import environment, running
from tools.bench_lib.spread import Spread, ratios

REPORT = """\
starting benchmark...
progress: 100% done

finished in 131.91ms, 15162.24 req/s, 1.62MB/s
requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 218.94KB (224195) total, 21.55KB (22067) headers (space savings 90.15%), 154KB (158000) data
                     min         max         mean         sd        +/- sd
time for request:       81us      6.48ms      1.01ms       412us    83.40%
"""  # noqa: E501  as h2load prints it
LEAST = 79


# --- h2load ---------------------------------------------------------------------------------------


def test_a_report_is_read() -> None:
    assert h2load.parse(REPORT) == h2load.Report(
        rate=15162.24,
        total=2000,
        done=2000,
        succeeded=2000,
        failed=0,
        errored=0,
        timed_out=0,
        ok=2000,
        refused=0,
        data_bytes=158000,
    )


@pytest.mark.parametrize("missing", ["finished", "requests", "status codes", "traffic"])
def test_an_incomplete_report_is_refused(missing: str) -> None:
    text = "".join(line for line in REPORT.splitlines(True) if not line.startswith(missing))
    with pytest.raises(BenchError, match="no complete report"):
        h2load.parse(text)


def test_a_right_run_passes() -> None:
    h2load.check(h2load.parse(REPORT), least_bytes=LEAST)


def test_answers_on_their_way_at_the_end_are_no_failure() -> None:
    # A timed run ends while answers are on their way: their heads were counted, they were not.
    h2load.check(h2load.parse(REPORT.replace("2000 2xx", "2016 2xx")), least_bytes=LEAST)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0 failed", "1 failed"),
        ("0 errored", "1 errored"),
        ("0 timeout", "1 timeout"),
        ("2000 done", "1999 done"),
        ("2000 succeeded", "1999 succeeded"),
        ("2000 2xx", "1999 2xx"),
        ("0 5xx", "1 5xx"),
        ("2000 total", "1000 total"),
    ],
)
def test_a_call_that_failed_fails_the_run(old: str, new: str) -> None:
    report = h2load.parse(REPORT.replace(old, new))
    with pytest.raises(BenchError, match=r"of \d+ calls"):
        h2load.check(report, least_bytes=LEAST)


def test_a_call_without_a_message_fails_the_run() -> None:
    report = h2load.parse(REPORT.replace("(158000) data", f"({158000 - LEAST}) data"))
    with pytest.raises(BenchError, match="error status"):
        h2load.check(report, least_bytes=LEAST)


def _load(**changes: Any) -> h2load.Load:
    load = h2load.Load(port=50051, path="/a/B", body=Path("body"), connections=4, seconds=1.5)
    return dataclasses.replace(load, **changes)


def test_the_command_says_what_grpc_needs() -> None:
    command = _load().command(Path("log"))
    assert command[0] == "h2load"
    assert command[-1] == "http://127.0.0.1:50051/a/B"
    pairs = list(itertools.pairwise(command))
    for pair in (("-D", "1500ms"), ("-c", "4"), ("-d", "body"), ("-H", "te: trailers")):
        assert pair in pairs
    assert not any("rps" in word or "grpc-timeout" in word for word in command)


def test_a_rate_is_shared_by_the_connections_and_a_deadline_is_sent() -> None:
    command = _load(rate=1000, timeout="250m").command(Path("log"))
    assert "--rps=250" in command
    assert ("-H", "grpc-timeout: 250m") in list(itertools.pairwise(command))


def test_percentiles_are_of_the_calls_own_times() -> None:
    log = "".join(f"1795568821577033\t200\t{1000 * number}\n" for number in (3, 1, 2, 4))
    measured = h2load.Measured.of(h2load.parse(REPORT), log)
    assert [measured.percentile(percent) for percent in (1, 50, 51, 99.9)] == [1, 2, 3, 4]


def test_a_run_without_an_answer_is_tried_once_more_and_longer() -> None:
    taken = []

    def measure(seconds: float) -> float:
        taken.append(seconds)
        log = "" if seconds < enough else "1795568821577033\t200\t2000\n"
        return h2load.Measured.of(h2load.parse(REPORT), log).percentile(50)

    enough = 2.0
    assert h2load.patiently(measure, 1.0) == 2
    enough = 9.0
    with pytest.raises(NoAnswerError, match="--seconds"):
        h2load.patiently(measure, 1.0)
    assert taken == [1, 4, 1, 4]


# --- the request ----------------------------------------------------------------------------------


def test_a_framed_message_has_its_length() -> None:
    assert request.framed(b"abc") == b"\0\0\0\0\3abc"


def test_the_echo_request_carries_json() -> None:
    read = pb.ExecuteToolRequest.FromString(request.echo_request().SerializeToString())
    arguments = {name: json.loads(value.value) for name, value in read.parameters.items()}
    assert work.echo(**arguments) == arguments


@pytest.mark.parametrize("workload", workloads.WORKLOADS, ids=lambda each: each.name)
def test_every_workload_is_a_call_that_the_tools_take(workload: workloads.Workload) -> None:
    body = workload.body()
    assert int.from_bytes(body[1:5]) == len(body) - 5
    read = pb.ExecuteToolRequest.FromString(body[5:])
    arguments = {name: json.loads(value.value) for name, value in read.parameters.items()}
    arguments.update(read.binary_parameters)
    given = getattr(work, read.tool_name)(**arguments)
    if workload.streaming:
        assert len(list(given)) == workloads.CHUNKS
    elif isinstance(given, bytes):
        assert given == read.binary_parameters["data"]
    else:
        assert given == arguments


def test_the_least_answer_leaves_out_the_time() -> None:
    quick = pb.ExecuteToolResponse(success=True, binary_result=b"x" * 10)
    slow = pb.ExecuteToolResponse(success=True, binary_result=b"x" * 10, execution_time_ms=7)
    assert request.least_answer_bytes(slow) == 5 + quick.ByteSize() < 5 + slow.ByteSize()
    assert slow.execution_time_ms == 7


# --- statistics -----------------------------------------------------------------------------------


def test_a_spread_is_the_median_and_the_range() -> None:
    spread = Spread.of([3000.4, 1000, 2000])
    assert spread == Spread(2000, 1000, 3000.4)
    assert spread.format() == "2,000 (1,000..3,000)"
    assert spread.as_json() == {"median": 2000, "min": 1000, "max": 3000.4}


def test_no_figures_have_no_spread() -> None:
    with pytest.raises(ValueError, match="no figures"):
        Spread.of([])


def test_ratios_are_built_inside_a_round() -> None:
    # The machine was half as fast in the second round: each ratio is the same.
    assert ratios([800, 400], [100, 50]) == [8, 8]


@pytest.mark.parametrize(("values", "base"), [([1.0, 2.0], [1.0]), ([1.0], [0.0])])
def test_ratios_that_mean_nothing_are_refused(values: list[float], base: list[float]) -> None:
    with pytest.raises(ValueError, match=r"compared|positive"):
        ratios(values, base)


# --- the control ----------------------------------------------------------------------------------


def test_two_processes_that_take_as_long_as_one_scale() -> None:
    control = Control.of([(1.0, 1.0), (1.0, 1.25), (1.0, 2.0)])
    assert control.scalings == (2.0, 1.6, 1.0)
    assert control.scales  # the median, on the limit: one disturbed repeat decides nothing
    assert "is judged" not in control.describe()


def test_two_processes_that_take_twice_as_long_do_not_scale() -> None:
    control = Control.of([(1.0, 2.0), (1.0, 1.9), (1.0, 1.0)])
    assert control.scaling < LEAST_SCALING
    assert not control.scales
    assert "nothing that needs one is judged" in control.describe()


# --- machine and work -----------------------------------------------------------------------------


def test_the_processor_is_named() -> None:
    assert machine.cpu_model("processor\t: 0\nmodel name\t: Fast One @ 2GHz\n") == "Fast One @ 2GHz"
    assert machine.cpu_model("processor\t: 0\n") == platform.machine()


def test_builds_that_differ_are_said_to() -> None:
    free: dict[str, object] = {"python": "3.13.5", "pgo": False, "hpack": "4.2.0"}
    twin = {
        **free,
        "grpcio": "1.85.1",
        "pygrpc-native": "0.5.0",
        "protobuf": "7.36.2 upb",
    }
    head: dict[str, object] = dict.fromkeys(("cpu", "cores", "system", "commit"), "")
    head |= {"load": 0.5, "free_threaded": free, "gil": twin}
    assert "two different builds" not in "\n".join(machine.heading(head))
    for difference in ({"pgo": True}, {"python": "3.13.0"}):
        lines = machine.heading({**head, "gil": {**twin, **difference}})
        assert "two different builds" in lines[-1]


def test_a_missing_interpreter_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"tools/setup --gil.*--python"):
        machine.interpreter(tmp_path / "python", tmp_path, free_threaded=True)


def test_an_interpreter_of_the_other_build_is_refused(tmp_path: Path) -> None:
    free_threaded = "free-threading" in sys.version
    with pytest.raises(BenchError, match="not what --"):
        machine.interpreter(Path(sys.executable), tmp_path, free_threaded=not free_threaded)


def test_the_work_is_reproducible() -> None:
    assert work.spin(0) == 1
    assert work.spin(2) == (180 * 167 + 13) % 251
    assert work.burn(5)["value"] == work.spin(5)


# --- processes ------------------------------------------------------------------------------------

SERVER = """\
import pathlib, sys
pathlib.Path(sys.argv[2]).with_suffix(".new").write_text("1234")
pathlib.Path(sys.argv[2]).with_suffix(".new").rename(sys.argv[2])
sys.stdin.read()
import signal
signal.pause()
"""


def test_a_server_is_ended_with_the_block(tmp_path: Path) -> None:
    script = "import os, pathlib; pathlib.Path('pid').write_text(str(os.getpid()))\n" + SERVER
    command = (sys.executable, "-c", script)
    with running(command, name="fake", root=tmp_path, life_seconds=30) as server:
        assert server.port == 1234
        pid = int((tmp_path / "pid").read_text())
        assert server.pids() == [pid]
        assert server.resident_mib() > 1
        assert server.cpu_seconds() >= 0
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_servers_keep_bytecode_even_where_this_process_may_not_write_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    variables = environment()
    assert "PYTHONDONTWRITEBYTECODE" not in variables
    assert Path(variables["PYTHONPYCACHEPREFIX"]).is_dir()
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE")
    assert environment() == dict(os.environ)


def test_a_server_that_fails_to_start_says_why(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no such adapter')")
    with (
        pytest.raises(BenchError, match=r"fake ended .* status 1: no such adapter"),
        running(command, name="fake", root=tmp_path, life_seconds=30),
    ):
        pytest.fail("it never served")


# --- the command ----------------------------------------------------------------------------------


def test_the_command_names_the_way_out_when_there_is_no_twin(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    shutil.copy(REPOSITORY / "tools" / "bench", tools / "bench")
    done = subprocess.run(
        [str(tools / "bench"), "rpc"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert "./tools/setup --gil" in done.stderr


@pytest.mark.parametrize("python", [sys.executable])
def test_the_worker_measures_every_kind(python: str) -> None:
    program = (
        "from tools.bench_lib import locks_worker as w; "
        "w.CHUNK, w.CHUNKS, w.SCALING_SECONDS = 10, 1, 0.01; w.main()"
    )
    done = subprocess.run(
        [python, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )

    found = json.loads(done.stdout)
    for kind in ("Lock", "RLock", "Condition"):
        for form in ("with", "acquire, release"):
            use = f"{kind}, {form}"
            for name in (f"threading.{use}", f"ftlocks.{use}", f"ftlocks.{use}, profiled"):
                assert found["uncontended"][name] > 0
    for use in ("Semaphore, with", "BoundedSemaphore, with", "Event, set, wait, clear"):
        for module in ("threading", "ftlocks"):
            assert found["uncontended"][f"{module}.{use}"] > 0
    assert set(found["scaling"]) == {"one lock", "16 stripes", "a shard each"}
    assert all(rates["1"] > 0 and rates["2"] > 0 for rates in found["scaling"].values())


def test_two_processes_are_the_control_of_what_two_threads_gain() -> None:
    rates = locks_round.processes_rate(Path(sys.executable), REPOSITORY, 2)
    assert rates > 0
    with pytest.raises(BenchError, match="said '', not 'ready'"):
        locks_round.processes_rate(Path("/bin/false"), REPOSITORY, 1)
