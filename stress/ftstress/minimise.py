"""Delta debugging: the fewest elements of a list with which something still happens.

Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input (TSE 2002), without its
test of single chunks: of the switches of a schedule most can go at once. Must never know what its
elements are.
"""

from collections.abc import Callable


def fewest[T](
    elements: list[T], fails: Callable[[list[T]], list[T] | None], budget: int
) -> list[T]:
    """A list from which no single element can be left out, by at most `budget` trials.

    Args:
        fails: tries a shorter list; None when it does not happen with that, else the list of what
            was needed, which may be shorter still.
    """
    best = elements
    trials = 0
    chunk = max(1, len(best) // 2)
    while best and trials < budget:
        start = 0
        shrank = False
        while start < len(best) and trials < budget:
            trials += 1
            needed = fails(best[:start] + best[start + chunk :])
            if needed is not None and len(needed) < len(best):
                best = needed
                shrank = True
            else:
                start += chunk
        if chunk > 1:
            chunk = max(1, min(chunk, len(best)) // 2)
        elif not shrank:
            break
    return best
