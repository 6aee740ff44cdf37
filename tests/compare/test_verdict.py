"""What figures mean, in words."""

from ftbridge.compare.result import FREE, GIL, HotFunction, HotLock
from ftbridge.compare.verdict import judge


def test_worth_it(make):
    verdict = judge(make())
    assert verdict.answer == (
        "Yes: 2 threads without the GIL do 1.71 times what the GIL build does at best."
    )
    assert "free-threaded: 2 threads do 1.90 (1.90 to 1.90) times the work of one" in (
        verdict.figures
    )
    assert verdict.figures[-1] == (
        "memory: 50 MiB free-threaded, 40 MiB with the GIL; 2 processes with the GIL would take "
        "up to 80 MiB"
    )


def test_not_worth_it(make):
    assert judge(make(free=(60.0, 80.0, 110.0))).answer.startswith("No: 2 threads")
    assert judge(make(free=(60.0, 104.0, 110.0))).answer.startswith("No difference worth the name")


def test_a_hot_lock_comes_first_with_its_lines(make):
    verdict = judge(
        make(
            free=(100.0, 110.0, 190.0),
            waiting=0.40,
            locks=(HotLock("Cache", 0.38, "Cache.get (cache.py:12)", "Cache.put (cache.py:20)"),),
        )
    )
    assert (
        "  40% waiting for locks (Cache 38%, waited for at Cache.get (cache.py:12), held at "
        "Cache.put (cache.py:20))"
    ) in verdict.reasons
    assert verdict.advice[0].startswith(
        "first: hold Cache for less, or not at all: Cache.put (cache.py:20)"
    )


def test_a_shared_object_is_told_from_a_shared_process(make):
    instance = judge(make(free=(100.0, 100.0, 190.0), processes=195.0))
    assert instance.advice[0].startswith("first: give each thread its own copy")
    assert any(line.startswith("  45% touching the same instance") for line in instance.reasons)
    process = judge(make(free=(100.0, 100.0, 100.0), processes=195.0))
    assert process.advice[0].startswith("first: look in the functions above")
    machine = judge(make(free=(100.0, 100.0, 100.0), processes=100.0))
    assert machine.advice == ()
    assert any(line.startswith("  50% to the machine") for line in machine.reasons)


def test_a_module_that_switches_the_gil_on_is_the_answer(make):
    verdict = judge(make(gil_on=True, gil_modules=("old.ext",)))
    assert verdict.answer.startswith("No, not as it is: old.ext switched the GIL on")
    assert verdict.advice == (
        "first: upgrade old.ext to a release that supports free-threading, or do without",
    )


def test_without_a_second_core_there_is_no_answer(make):
    verdict = judge(make(control=1.1, cores={FREE: 0.5, GIL: 0.5}))
    assert verdict.answer.startswith("No answer about threads: this machine had no second core")
    assert "quiet machine" in verdict.advice[0]
    assert not any("2 threads do" in line for line in verdict.figures)
    assert not any("of a core" in line for line in verdict.reasons)  # others may have had it


def test_waiting_and_c_code_without_the_gil_are_told(make):
    reasons = judge(make(gil=(100.0, 160.0), cores={FREE: 0.4, GIL: 0.4})).reasons
    assert any("at least 38% of a pass holds no GIL" in line for line in reasons)
    assert any(line.startswith("one thread uses 0.40 of a core: 60%") for line in reasons)


def test_functions_are_told_where_samples_are_enough(make):
    functions = (HotFunction("parse", "/a/b.py", 0.6),)
    assert any(
        "parse (b.py) 60%" in line
        for line in judge(make(functions=functions, cpu_samples=50)).reasons
    )
    assert not any(
        "parse" in line for line in judge(make(functions=functions, cpu_samples=5)).reasons
    )


def test_doubts_name_the_control_and_different_versions(make):
    doubts = judge(
        make(builds={FREE: "CPython 3.14.0 free-threaded", GIL: "CPython 3.13.5 with the GIL"})
    ).doubts
    assert doubts[0].startswith("control: two processes do 1.95 times")
    assert any("two different versions" in line for line in doubts)
    assert not any("two different" in line for line in judge(make()).doubts)
