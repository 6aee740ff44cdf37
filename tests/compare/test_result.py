"""The arithmetic of a comparison, on figures made by hand."""

import json

import pytest


def test_the_cost_of_one_thread_and_the_gain_of_all(make):
    found = make()
    assert found.single_cost.median == pytest.approx(100 / 90)
    # Against the GIL build's best, which is one thread here.
    assert found.gain.median == pytest.approx(1.71)
    assert make(gil=(100.0, 190.0)).gain.median == pytest.approx(171 / 190)


def test_what_is_lost_adds_up(make):
    losses = make(free=(100.0, 110.0, 150.0), processes=190.0, waiting=0.15).losses
    assert losses.total == pytest.approx(0.45)
    assert losses.locks == pytest.approx(0.15)
    assert losses.instance == pytest.approx(0.05)  # 0.45 less 0.25 of own less 0.15 of locks
    assert losses.process == pytest.approx(0.20)  # of own 0.25, less the machine's
    assert losses.machine == pytest.approx(0.05)
    assert losses.total == pytest.approx(
        losses.locks + losses.instance + losses.process + losses.machine
    )


def test_a_machine_without_a_second_core_says_nothing_of_losses(make):
    assert make(control=1.2).losses is None


def test_what_the_gil_build_gains_is_time_without_the_gil(make):
    assert make().gil_free_share == 0
    assert make(gil=(100.0, 160.0)).gil_free_share == pytest.approx(1 - 1 / 1.6)


def test_json_can_be_written(make):
    told = json.loads(json.dumps(make().as_dict()))
    assert told["control"]["scales"] is True
    assert told["passes_per_second"]["free-threaded"][2] == {
        "threads": 2,
        "one_instance": True,
        "rounds": [171.0] * 3,
    }
