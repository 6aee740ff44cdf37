"""Workloads: one operation, and the object that it works on, for `ftstress compare`.

That the object is made by a class is what lets a comparison tell sharing from everything else: the
same operation is run by several threads on one object, and on an object each.
"""

from ftstress import targets


class Workload:
    """One operation on some state. ``__init__`` makes the state and takes no arguments.

    `run` is called by several threads at the same time on one instance, and, to compare, by each
    thread on an instance of its own that the thread has made.
    """

    def run(self) -> object:
        """The operation; what it returns is dropped."""
        raise NotImplementedError(f"{type(self).__qualname__} has no run()")


def workloads(target: str) -> list[type[Workload]]:
    """The workload that is named, or all of a file or module; none where it has only other things.

    Raises TargetError where what is named is no workload, besides what importing raises.
    """
    where, name = targets.split(target)
    if name:
        return targets.classes(target, Workload)
    return targets.defined(targets.module_of(where), Workload)
