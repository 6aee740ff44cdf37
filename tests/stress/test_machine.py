"""The control: two processes against one."""

import pytest

from ftstress import machine
from ftstress.machine import Control, ControlError, control


def test_it_measures_two_processes():
    assert len(control(steps=1000).scalings) == 3
    assert all(scaling > 0 for scaling in control(steps=1000).scalings)


def test_without_a_second_core_no_figure_is_promised():
    assert Control((1.9, 1.7, 1.2)).scales
    assert not Control((1.5, 1.9, 1.5)).scales
    assert "no second core to give now" in str(Control((1.5, 1.9, 1.5)))
    assert str(Control((1.9, 1.9, 1.9))).endswith("1.90 times the work of one (1.90, 1.90, 1.90)")


def test_a_process_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(machine, "_BURNER", "print('no')")
    with pytest.raises(ControlError, match="said 'no', not 'ready'"):
        control()
