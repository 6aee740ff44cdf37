"""The linearizability check against the definition: all orders, tried one by one."""

import itertools
import random
from dataclasses import replace

import pytest

from ftstress.linearizability import (
    WAITS,
    Operation,
    check,
    linearizable,
    partitioned,
    same,
    shortened,
)


class Register:
    """Spec of a dictionary of numbers with `put`, `get`, and `take`, which waits for a number."""

    def initial(self):
        return ()

    def step(self, state, operation):
        table = dict(state)
        name, (key, *rest) = operation.name, operation.arguments
        result = None
        if name == "put":
            table[key] = rest[0]
        elif name == "get":
            result = table.get(key)
        elif name == "swap":
            result = table.get(key)
            table[key] = rest[0]
        else:
            if key not in table:
                return None
            result = table.pop(key)
        return result, tuple(sorted(table.items()))


SPEC = Register()


def op(name, *arguments, to=None, at=(0, 1), thread=0, key=None, stuck=False):
    return Operation(thread, name, arguments, to, at[0], at[1], key, stuck)


def by_definition(history, spec):
    """Herlihy and Wing's: some order of the completed and some of the pending operations."""
    complete = [each for each in history if each.returned is not None]
    pending = [each for each in history if each.returned is None and not each.is_stuck]
    stuck = [each for each in history if each.is_stuck]
    for count in range(len(pending) + 1):
        for added in itertools.combinations(pending, count):
            for order in itertools.permutations([*complete, *added]):
                if _fits(order, stuck, spec):
                    return True
    return False


def _fits(order, stuck, spec):
    for place, later in enumerate(order):
        for earlier in order[:place]:
            if later.returned is not None and later.returned < earlier.invoked:
                return False
    state = spec.initial()
    for each in order:
        answer = spec.step(state, each)
        if answer is None or (each.returned is not None and answer[0] != each.result):
            return False
        state = answer[1]
    return all(spec.step(state, each) is None for each in stuck)


def histories(seed, count, keys):
    """Up to three threads whose calls overlap at random, with results that may be right."""
    source = random.Random(seed)
    for _ in range(count):
        found = []
        for thread in range(source.randint(1, 3)):
            end = 0
            for _ in range(source.randint(1, 3)):
                name = source.choice(["put", "get", "swap", "take"])
                key = source.choice(keys)
                arguments = (key, source.randint(1, 2)) if name in ("put", "swap") else (key,)
                result = source.choice([None, 1, 2]) if name != "put" else None
                start = end + source.randint(0, 3)
                end = start + source.randint(0, 4)
                lost = source.random() < 0.1
                found.append(
                    Operation(
                        thread,
                        name,
                        arguments,
                        None if lost else result,
                        start,
                        None if lost else end,
                        key,
                        lost and source.random() < 0.5,
                    )
                )
                if lost:
                    break
        yield found[:7]


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_the_definition(seed):
    answers = set()
    for history in histories(seed, 1500, ("a",)):
        verdict = check(history, SPEC)
        assert verdict.is_linearizable == by_definition(history, SPEC), history
        answers.add(verdict.is_linearizable)
        if verdict.order is not None:
            stuck = [each for each in history if each.is_stuck]
            assert _fits(verdict.order, stuck, SPEC)
            complete = {id(each) for each in history if each.returned is not None}
            assert complete <= set(map(id, verdict.order))
    assert answers == {True, False}


def test_by_key_is_the_same_as_the_whole():
    for history in histories(5, 1500, ("a", "b")):
        whole = [replace(each, key=None) for each in history]
        assert len(partitioned(whole)) == 1
        assert linearizable(history, SPEC) == by_definition(whole, SPEC), history


def test_what_is_left_of_a_failing_history_still_fails_and_is_part_of_it():
    for history in histories(6, 700, ("a", "b")):
        short = shortened(history, SPEC)
        if linearizable(history, SPEC):
            assert short == tuple(history)
            continue
        assert not by_definition(short, SPEC), history
        stamps = {(each.thread, each.invoked, each.name) for each in history}
        assert {(each.thread, each.invoked, each.name) for each in short} <= stamps
        assert len({each.key for each in short}) == 1


def test_overlapping_calls_may_come_in_either_order_and_others_may_not():
    put = op("put", "a", 1, at=(0, 10))
    early, late = op("get", "a", at=(1, 5), thread=1), op("get", "a", at=(11, 12), thread=1)
    assert linearizable([put, early], SPEC)
    assert not linearizable([put, late], SPEC)


def test_equal_stamps_count_as_concurrent():
    assert linearizable([op("put", "a", 1, at=(0, 5)), op("get", "a", at=(5, 6))], SPEC)


def test_a_pending_operation_may_have_happened_or_not():
    put = op("put", "a", 1, at=(0, None))
    for seen in (None, 1):
        assert linearizable([put, op("get", "a", to=seen, at=(5, 6), thread=1)], SPEC)
    assert not linearizable([put, op("get", "a", to=2, at=(5, 6), thread=1)], SPEC)


def test_who_is_stuck_must_have_to_wait():
    put = op("put", "a", 1, at=(0, 5))
    take = op("take", "a", at=(1, None), thread=1, stuck=True)
    assert linearizable([take], SPEC)
    verdict = check([put, take], SPEC)
    assert not verdict.is_linearizable  # a lost wake-up
    assert verdict.refused == ((take, 1),)
    assert linearizable([put, take, op("take", "a", to=1, at=(6, 7), thread=2)], SPEC)


def test_the_longest_order_and_what_does_not_fit_then_are_told():
    history = [
        op("put", "a", 1, at=(0, 1)),
        op("get", "a", to=1, at=(2, 3)),
        op("get", "a", to=2, at=(4, 5)),
        op("take", "b", to=1, at=(4, 5), thread=1),
    ]
    verdict = check(history, SPEC)
    assert verdict.longest == tuple(history[:2])
    assert sorted(verdict.refused, key=str) == sorted(
        [(history[2], 1), (history[3], WAITS)], key=str
    )


def test_a_history_is_cut_where_it_first_goes_wrong_and_reads_are_left_out():
    bad = op("get", "a", to=2, at=(8, 9))
    history = [
        op("put", "a", 1, at=(0, 1)),
        op("get", "a", to=1, at=(2, 3)),
        bad,
        op("put", "a", 2, at=(10, 11)),
        op("put", "b", 2, at=(0, 11), thread=1),
    ]
    pending = replace(history[-1], returned=None)
    assert set(shortened(history, SPEC)) == {history[0], bad, pending}


def test_the_same_state_is_not_looked_at_twice():
    # 12 writers of the same value at once: 12! orders, but only 2**12 sets of those done.
    writers = [op("put", "a", 1, at=(0, 100), thread=number) for number in range(12)]
    verdict = check([*writers, op("get", "a", to=2, at=(101, 102))], SPEC)
    assert not verdict.is_linearizable
    assert verdict.visited <= 2**12 + 1


def test_an_exceptions_type_only_equals_itself():
    assert same(KeyError, KeyError)
    assert not same(KeyError, LookupError)
    assert not same(int, 0)
    assert same(1, 1.0)


def test_operations_read_as_calls():
    assert str(op("put", "a", 1, to=None)) == "put('a', 1) -> None"
    assert str(op("get", "a", to=KeyError)) == "get('a') raises KeyError"
    assert str(op("get", "a", at=(1, None))) == "get('a') -> ?"
