"""Workloads and how a target names them."""

from pathlib import Path

import pytest

from ftstress.targets import TargetError
from ftstress.workload import Workload, workloads

FILE = str(Path(__file__).with_name("counting_work.py"))


def test_all_of_a_file_or_one():
    assert [work.__name__ for work in workloads(FILE)] == ["Locked", "Failing"]
    assert [work.__name__ for work in workloads(f"{FILE}:Locked")] == ["Locked"]


def test_a_file_may_have_none_but_a_name_must_be_one():
    assert workloads(__file__) == []
    with pytest.raises(TargetError, match="it has Locked, Failing"):
        workloads(f"{FILE}:Absent")


def test_a_workload_needs_its_operation():
    with pytest.raises(NotImplementedError, match=r"Workload has no run\(\)"):
        Workload().run()
