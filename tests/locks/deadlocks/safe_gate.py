"""Opposite orders under one more lock, which lets only one thread get that far."""

from locks.deadlocks.threads import run_all
from locks.races import wait_until

from ftlocks import Lock


def main(at_worst):
    gate, left, right = Lock("gate", statistics=True), Lock("left"), Lock("right")

    def one_way():
        with gate, left, right:
            wait_until(lambda: gate.statistics().waiting == 1)
            at_worst()

    def other_way():
        wait_until(gate.locked)
        with gate, right, left:
            pass

    return run_all(one_way=one_way, other_way=other_way)
