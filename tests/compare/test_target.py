"""What the user names, as something to run; and what is said where it cannot be."""

import pytest

from ftbridge.adapters.errors import ThreadSafetyError
from ftbridge.compare.target import Job, TargetError, load

JOBS = "compare.jobs"


def test_an_adapters_examples_and_streams_to_their_end():
    target = load(Job(f"{JOBS}:Counting"))
    assert target.samples == ('count {"to": 3}', 'add {"a": 1}')
    work = target.workload()
    work.run()
    work.run()
    assert work._host._life.obtain().seen == [0, 1, 2, 2] * 2


def test_calls_that_are_named():
    work = load(Job(f"{JOBS}:Counting", ('add {"a": 1, "b": 5}', 'add {"a": 2}'))).workload()
    work.run()
    assert work._host._life.obtain().seen == [6, 3]


def test_each_instance_has_its_own_adapter_and_inputs():
    target = load(Job(f"{JOBS}:Counting"))
    one, other = target.workload(), target.workload()
    assert one._host._life.obtain() is not other._host._life.obtain()
    assert one._calls[0][1] is not other._calls[0][1]


def test_a_function_by_position_and_by_name(monkeypatch):
    from compare import jobs

    seen = []
    monkeypatch.setattr(jobs, "double", lambda *args, **named: seen.append((args, named)))
    load(Job(f"{JOBS}:double", (), ("[1, 2]", '{"number": 3}'))).workload().run()
    assert seen == [((1, 2), {}), ((), {"number": 3})]


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (Job("nothing"), "write package.module:Class"),
        (Job("no_such_module_here:f"), "there is no module 'no_such_module_here'"),
        (Job(f"{JOBS}:gone"), "has no 'gone'"),
        (Job(f"{JOBS}:not_callable"), "neither an adapter nor callable, but 3"),
        (Job(f"{JOBS}:double", ("double {}",)), "--call is for adapters"),
        (Job(f"{JOBS}:double", (), ("1",)), "must be a JSON array or object, got '1'"),
        (Job(f"{JOBS}:double", (), ("[1",)), "is no JSON"),
        (Job(f"{JOBS}:Counting", ("substract {}",)), "no tool 'substract'; it has add, count"),
        (Job(f"{JOBS}:Counting", ("add [1]",)), "the arguments of add must be a JSON object"),
        (Job(f"{JOBS}:Counting", (), ("[1]",)), "--args is for functions"),
        (Job(f"{JOBS}:Unsafe", (), (), True), "has no `__examples__`"),
    ],
)
def test_mistakes_are_told_with_the_way_out(job, said):
    with pytest.raises(TargetError) as caught:
        load(job)
    assert said in str(caught.value)


def test_an_unsafe_adapter_is_refused_unless_serialized():
    with pytest.raises(ThreadSafetyError, match="--serialize"):
        load(Job(f"{JOBS}:Unsafe", ('add {"a": 1}',)))
    load(Job(f"{JOBS}:Unsafe", ('add {"a": 1}',), (), True)).workload().run()


def test_a_job_travels_as_text():
    job = Job("a:b", ("x {}",), ("[1]",), True)
    assert Job.from_json(job.as_json()) == job
