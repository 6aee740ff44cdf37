"""`ftlocks.Semaphore`: never more inside than there are permits, and none is lost."""

from ftlocks import BoundedSemaphore, Semaphore, WouldBlockError
from ftstress.suites._threads import together

MODULES = ("ftlocks.semaphore", "ftlocks._base")


class _Room:
    def __init__(self, most: int) -> None:
        self.most = most
        self.inside: list[int] = []

    def stay(self, who: int) -> None:
        self.inside.append(who)
        assert len(self.inside) <= self.most
        self.inside.remove(who)


def _left(semaphore: Semaphore) -> int:
    """Permits that nobody holds; they are taken."""
    count = 0
    while True:
        try:
            semaphore.acquire_nowait()
        except WouldBlockError:
            return count
        count += 1


def no_more_than_its_permits() -> None:
    semaphore, room = Semaphore(2, "suite"), _Room(2)

    def visit(who: int) -> None:
        with semaphore:
            room.stay(who)

    together(*(lambda who=who: visit(who) for who in range(3)))
    assert _left(semaphore) == 2


def permits_of_those_that_give_up_are_not_lost() -> None:
    semaphore = Semaphore(1, "suite")

    def visit() -> None:
        if semaphore.acquire(timeout=0.01):
            semaphore.release()

    together(visit, visit, visit)
    assert _left(semaphore) == 1


def one_release_lets_several_in() -> None:
    semaphore = Semaphore(0, "suite")
    together(semaphore.acquire, semaphore.acquire, lambda: semaphore.release(2))
    assert _left(semaphore) == 0


def bounded_semaphore_ends_full() -> None:
    semaphore = BoundedSemaphore(1, "suite")

    def visit() -> None:
        with semaphore:
            pass

    together(visit, visit)
    assert _left(semaphore) == 1
