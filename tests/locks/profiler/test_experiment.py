"""The windows of a what-if: what they count, in which order, and what is concluded."""

import os
import threading

import pytest
from locks.profiler.contention import profiled
from locks.races import wait_until

import ftlocks
from ftlocks import Injection, Lock, Progress
from ftlocks.profiler.experiment import (
    ENOUGH,
    LONGEST_WINDOW_NS,
    WINDOW_NS,
    Experiments,
    interval,
)
from ftlocks.profiler.whatif import Injector

MS = 1_000_000


class Program:
    """A program that takes a lock once for each unit, in virtual time.

    Args:
        unit_ns: how long a unit takes when it is left alone.
        arrives: how much of an injected time it is prolonged by.
    """

    def __init__(self, injector, *, unit_ns, arrives, turns=200, noise=()):
        self.injector = injector
        self.unit_ns = unit_ns
        self.arrives = arrives
        self.noise = noise
        self.left = turns
        self.now = 0
        self.done = 0.0
        self.windows = []

    def clock(self):
        return self.now

    def sleep(self, ns):
        self.left -= 1
        self.now += ns
        target = self.injector._now
        extra = 0 if target is None else target.asked.asked_ns
        self.windows.append((target is not None, ns))
        drift = self.noise[self.left % len(self.noise)] if self.noise else 1.0
        done = ns / (self.unit_ns * drift + self.arrives * extra)
        self.done += done
        if target is not None:
            target.times.add(round(done))
            target.spent_ns.add(round(done) * extra)
        return self.left > 0

    def progress(self):
        return Progress("orders", lambda: int(self.done))


def tried(*, window_ns=0, hold=100e-6, taken=True, **options):
    injector = Injector([Injection("ledger", hold=hold)])
    if taken:
        injector.concerns(Lock("ledger")._info)
        injector.targets[0].acquisitions.add()
    program = Program(injector, **options)
    experiments = Experiments(
        injector, program.progress(), window_ns=window_ns, clock=program.clock, sleep=program.sleep
    )
    experiments.run()
    (result,) = experiments.results()
    return result, program


def test_a_lock_that_all_wait_for_loses_all_that_is_injected():
    result, program = tried(unit_ns=100_000, arrives=1.0)

    assert result.verdict == "lost"
    assert result.loss == pytest.approx(0.5, abs=0.01)
    assert result.loss_low <= result.loss <= result.loss_high
    assert result.loss_per_us == pytest.approx(0.005, abs=1e-4)
    assert result.arrived == pytest.approx(1.0, abs=0.03)
    assert result.rate == pytest.approx(10_000, rel=0.01)
    assert result.rate_injected == pytest.approx(5_000, rel=0.01)
    assert result.unit == "orders"
    assert result.injected_ns == pytest.approx(100_000)
    assert program.injector._now is None


def test_a_lock_that_nobody_waits_for_loses_nothing_and_says_so():
    result, _ = tried(unit_ns=100_000, arrives=0.0, noise=(1.0, 1.1, 0.9, 1.05, 0.97))

    assert result.verdict == "cannot tell"
    assert result.loss_low < 0 < result.loss_high


def test_a_program_may_go_faster():
    result, _ = tried(unit_ns=200_000, arrives=-0.5)

    assert result.verdict == "gained"
    assert result.loss_per_us < 0


def test_windows_come_in_pairs_of_one_length_in_no_fixed_order():
    _, program = tried(unit_ns=10_000, arrives=1.0)

    looked_at = program.windows[1::2][:20]  # every other is for settling
    assert {ns for _, ns in looked_at} == {WINDOW_NS}
    pairs = [sorted(on for on, _ in looked_at[at : at + 2]) for at in range(0, 20, 2)]
    assert pairs == [[False, True]] * 10
    assert len({on for on, _ in looked_at[::2]}) == 2


def test_windows_grow_until_enough_is_done_in_them():
    _, program = tried(unit_ns=MS, arrives=0.0)

    lengths = [ns for _, ns in program.windows[1::2]]
    assert lengths[:2] == [WINDOW_NS] * 2
    assert lengths[2:4] == [2 * WINDOW_NS] * 2
    assert max(lengths) == 8 * WINDOW_NS >= ENOUGH * MS


def test_windows_never_grow_beyond_a_second_and_those_with_nothing_are_dropped():
    result, program = tried(unit_ns=10**12, arrives=0.0)

    assert max(ns for _, ns in program.windows) == LONGEST_WINDOW_NS
    assert (result.pairs, result.verdict) == (0, "too few windows")
    assert result.dropped > 5


def test_a_length_that_was_asked_for_is_kept():
    _, program = tried(unit_ns=MS, arrives=0.0, window_ns=30 * MS)

    assert {ns for _, ns in program.windows[1::2]} == {30 * MS}


def test_few_windows_are_not_believed():
    result, _ = tried(unit_ns=1000, arrives=1.0, turns=4 * 5 + 1)

    assert result.pairs == 5
    assert result.verdict == "too few windows"


def test_an_unknown_lock_takes_no_time_from_others():
    result, program = tried(unit_ns=1000, arrives=1.0, taken=False)

    assert result.verdict == "unknown lock"
    assert not any(on for on, _ in program.windows)


def test_the_interval_of_the_median_is_that_of_the_sign_test():
    assert interval([]) == (0.0, 0.0)
    assert interval([3.0]) == (3.0, 3.0)
    assert interval([float(n) for n in range(1, 7)]) == (1.0, 6.0)
    # Tables of the sign test: for 10 the second and the ninth, for 20 the sixth and the fifteenth.
    assert interval([float(n) for n in range(1, 11)]) == (2.0, 9.0)
    assert interval([float(n) for n in range(1, 21)]) == (6.0, 15.0)


def test_it_runs_beside_a_program_and_stops_with_the_profile():
    lock = Lock("ledger")
    threads = set(threading.enumerate())
    inject = [Injection("ledger", hold=2e-4), Injection("ledgr", delay=1e-6)]
    with profiled(inject=inject, window=0.005) as run:
        assert set(threading.enumerate()) <= threads

        def enough():
            for _ in range(20):
                with lock:
                    pass
            first, _ = run.report().what_if
            return first.pairs >= 6

        wait_until(enough)
    report = run.report()
    assert lock._watch is None

    first, second = report.what_if
    assert first.matched == ("ledger",)
    assert first.injected_ns >= 200_000
    assert first.per_unit > 0
    assert second.verdict == "unknown lock"
    assert "there is no lock 'ledgr' to inject a delay into; there are 'ledger'" in report.notes
    assert any("include the time that was injected" in note for note in report.notes)
    assert "ledgr delay +1 us: no lock of this name was made" in report.table()
    told, _ = report.as_dict()["what_if"]
    assert (told["verdict"], told["loss_per_us"]) == (first.verdict, first.loss_per_us)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_child_of_a_fork_is_left_alone():
    with ftlocks.profile(inject=[Injection("x", hold=1e-6)]) as run:
        run._injector.turn_to(run._injector.targets[0])
        child = os.fork()
        if not child:
            os._exit(run._injector._now is not None)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_window_must_not_be_negative():
    with pytest.raises(ValueError, match="window must not be negative, got -1"):
        ftlocks.profile(window=-1)
