"""The sampler that lets threads note their own stacks: right shares, and safe while it does."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ftbridge.cpuprofile import CpuProfile, CpuSampler
from ftbridge.cpuprofile import sampler as module

STRESS = Path(__file__).with_name("stress_program.py")
FEW = 20
ENOUGH = 100  # samples


def spin(iterations):
    value = 1
    for _ in range(iterations):
        value = (value * 167 + 13) % 251
    return value


def heavy():
    return spin_here(2000)


def much():
    return spin_here(8000)


def light():
    return spin(1000)


def spin_here(iterations):  # another function of the same work: shares by function, not by caller
    value = 1
    for _ in range(iterations):
        value = (value * 167 + 13) % 251
    return value


def share(profile: CpuProfile, function: str, of: tuple[str, ...]) -> float:
    own = {hot.function: hot.self_ns for hot in profile.functions()}
    return own[function] / sum(own.get(each, 0) for each in of)


def total(profile: CpuProfile, function: str) -> int:
    return sum(hot.total_ns for hot in profile.functions() if hot.function == function)


def brisk(**options) -> CpuSampler:
    """One that looks as often as it can: a busy machine would make the tests long."""
    sampler = CpuSampler(rate=1000, **options)
    sampler._rest = 0
    sampler._choosy = False  # these programs make no system calls where they could be met
    return sampler


def until_seen(sampler: CpuSampler, work, samples: int = FEW) -> None:
    limit = time.monotonic() + 40
    while sampler.profile().samples < samples and time.monotonic() < limit:
        for _ in range(20):
            work()


def test_shares_of_two_functions_are_those_of_their_work():
    done = threading.Event()

    def work():
        while not done.is_set():
            much()
            light()

    with brisk() as sampler:
        workers = [threading.Thread(target=work, name=f"worker {n}") for n in range(2)]
        for worker in workers:
            worker.start()
        until_seen(sampler, lambda: time.sleep(0.001), ENOUGH)
        done.set()
        for worker in workers:
            worker.join()
    profile = sampler.profile()
    # Eight parts of nine. On a busy machine a few samples stand for much of the time: what must
    # not be is that it looks like half and half.
    assert share(profile, "spin_here", ("spin_here", "spin")) > 0.6
    assert total(profile, "much") / (total(profile, "much") + total(profile, "light")) > 0.6
    assert {"worker 0", "worker 1"} <= {stack.thread for stack in profile.stacks}
    # All of the process's time is known for, but for what the machine's clocks differ by.
    assert profile.sampled_ns == pytest.approx(profile.cpu_ns, rel=0.5)


def test_a_thread_that_sleeps_takes_no_time():
    woken = threading.Event()

    def sleep_well():
        woken.wait()

    with brisk() as sampler:
        sleeper = threading.Thread(target=sleep_well)
        sleeper.start()
        until_seen(sampler, heavy)
        woken.set()
        sleeper.join()
    profile = sampler.profile()
    slept = sum(s.cpu_ns for s in profile.stacks if "sleep_well" in [f[0] for f in s.frames])
    assert slept < profile.sampled_ns / 10


def test_time_in_c_counts_for_its_caller():
    data = list(range(100_000))

    def in_c():
        return sorted(data, reverse=True)

    def work():
        in_c()

    with brisk() as sampler:
        until_seen(sampler, work)
    own = sampler.profile().functions()[0]
    assert own.function.endswith(("in_c", "work")), own


def test_lines_are_those_that_ran():
    with brisk() as sampler:
        until_seen(sampler, heavy)
    hot = next(hot for hot in sampler.profile().lines() if hot.function == "spin_here")
    first = spin_here.__code__.co_firstlineno
    assert hot.line in (first + 2, first + 3)
    assert hot.file == __file__


def test_a_thread_that_ended_keeps_its_time():
    sampler = brisk()

    def work():
        until_seen(sampler, heavy)

    with sampler:
        worker = threading.Thread(target=work, name="gone")
        worker.start()
        worker.join()
    assert sum(s.cpu_ns for s in sampler.profile().stacks if s.thread == "gone") > 0


def test_exceptions_generators_recursion_and_ending_threads_survive_it():
    done = subprocess.run(
        [sys.executable, str(STRESS), "150"],
        cwd=STRESS.parents[2],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok\n"), done.stdout
    assert int(done.stdout.splitlines()[1]) > 0


def test_only_a_thread_that_a_core_executes_is_asked():
    woken, done = threading.Event(), threading.Event()

    def spin_on():
        while not done.is_set():
            spin(100)

    with CpuSampler() as sampler:
        threads = {
            threading.Thread(target=woken.wait, name="asleep"),
            threading.Thread(target=spin_on, name="at work"),
        }
        for thread in threads:
            thread.start()
        looks = []
        limit = time.monotonic() + 40
        while len(looks) < 20 and time.monotonic() < limit:
            time.sleep(0.005)
            sampler._name_threads()
            running = {each.name for each in sampler._running()}
            if "at work" in running:
                looks.append(running)
        done.set()
        woken.set()
        for thread in threads:
            thread.join()
    assert len(looks) == 20
    # It works while it starts, and its clock may be late; asked regardless, it would be in all.
    assert sum("asleep" in look for look in looks) < 10


def test_nothing_stays_behind():
    with CpuSampler() as sampler:
        heavy()
    assert sys.monitoring.get_tool(sys.monitoring.PROFILER_ID) is None
    before = sampler.profile().samples
    heavy()
    assert sampler.profile().samples == before
    sampler.stop()  # again is no error


def test_the_caller_is_seen_even_if_the_ticker_never_looked():
    sampler = CpuSampler(rate=0.01)
    with sampler:
        heavy()
    assert sampler.profile().samples == 1


def test_another_profiler_is_not_disturbed():
    sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "theirs")
    try:
        with pytest.raises(RuntimeError, match=r"another profiler \(theirs\) is at work"):
            CpuSampler().start()
    finally:
        sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)


def test_it_starts_once():
    with CpuSampler() as sampler:
        pass
    with pytest.raises(RuntimeError, match="started before"):
        sampler.start()


@pytest.mark.parametrize("rate", [0, -1, 1001])
def test_a_rate_that_makes_no_sense(rate):
    with pytest.raises(ValueError, match=f"got {rate}"):
        CpuSampler(rate=rate)


def test_a_depth_that_makes_no_sense():
    with pytest.raises(ValueError, match="got 0"):
        CpuSampler(depth=0)


def test_only_the_innermost_frames_are_kept():
    def deep(levels):
        return spin(20_000) if levels == 0 else deep(levels - 1)

    with brisk(depth=3) as sampler:
        until_seen(sampler, lambda: deep(4))
    assert max(len(stack.frames) for stack in sampler.profile().stacks) == 3


def test_the_clock_of_a_thread_that_has_ended_reads_zero():
    numbers = []
    thread = threading.Thread(target=lambda: numbers.append(threading.get_native_id()))
    thread.start()
    thread.join()
    limit = time.monotonic() + 20  # join() returns before the kernel's thread is gone
    while module._cpu_ns(numbers[0]) and time.monotonic() < limit:
        time.sleep(0.001)
    assert module._cpu_ns(numbers[0]) == 0
    assert module._cpu_ns(threading.get_native_id()) > 0


def test_events_are_of_the_kinds_that_can_be_switched_safely():
    events = sys.monitoring.events
    assert not module._ALL_EVENTS & (events.LINE | events.INSTRUCTION)
