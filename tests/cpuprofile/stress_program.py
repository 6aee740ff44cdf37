"""Everything that a sampler could trip over, at once; prints "ok" and the samples.

Run by test_sampler.py in a process of its own: what is looked for is a crash.
"""

import asyncio
import sys
import threading
import warnings

from ftbridge.cpuprofile import CpuSampler


def recurse(depth: int) -> int:
    return 0 if depth == 0 else 1 + recurse(depth - 1)


def numbers(count: int):
    try:
        for each in range(count):  # noqa: UP028  in Python, step by step
            yield each
    finally:
        recurse(3)


def nested(count: int):
    yield from numbers(count)


def unwinding(depth: int) -> None:
    if depth == 0:
        raise KeyError("bottom")
    try:
        unwinding(depth - 1)
    finally:
        depth += 1


async def coroutine(count: int) -> int:
    total = 0
    for each in range(count):
        await asyncio.sleep(0)
        total += each
    return total


class Thing:
    def __init__(self) -> None:
        self.value = 0

    def __del__(self) -> None:
        self.value += 1

    def step(self, by: int) -> int:
        self.value += by
        return self.value


def churn(results: list[str], rounds: int) -> None:
    for number in range(rounds):
        if recurse(150) != 150:
            results.append("recursion")
        if sum(nested(40)) != 780:
            results.append("generators")
        given_up = nested(40)
        next(given_up)
        given_up.close()
        try:
            unwinding(30)
        except KeyError:
            pass
        else:
            results.append("exceptions")
        thing = Thing()
        if [thing.step(1) for _ in range(20)][-1] != 20:
            results.append("methods")
        # Code made and dropped while events go on and off.
        scope: dict[str, int] = {}
        exec(compile(f"def f(x):\n    return x + {number}\ny = f(1)", "<made>", "exec"), scope)
        if scope["y"] != number + 1:
            results.append("new code")
        if number % 10 == 0:
            short = threading.Thread(target=recurse, args=(20,))
            short.start()
            short.join()
        if number % 25 == 0 and asyncio.run(coroutine(20)) != 190:
            results.append("coroutines")


def main(rounds: int) -> None:
    warnings.simplefilter("ignore")
    results: list[str] = []
    sampler = CpuSampler(rate=1000)
    sampler._rest = 0  # as often as it can, whatever it costs the program
    with sampler:
        threads = [threading.Thread(target=churn, args=(results, rounds)) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.05)
            sampler.profile()  # read while it is written
    profile = sampler.profile()
    print("ok" if not results else sorted(set(results)), profile.samples, *profile.notes, sep="\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
