"""`ftlocks.SingleFlightCache`: computed once for all who ask, bounded, right after invalidation."""

from ftlocks import SingleFlightCache
from ftstress.suites._threads import together

MODULES = ("ftlocks.cache",)


def computed_once_for_all_who_ask() -> None:
    cache: SingleFlightCache[str, int] = SingleFlightCache(2, name="suite")
    computed: list[str] = []

    def compute(key: str) -> int:
        computed.append(key)
        return len(computed)

    def use() -> None:
        assert cache.get("a", compute) == 1

    together(use, use, use)
    assert computed == ["a"]


def what_was_invalidated_is_not_kept() -> None:
    cache: SingleFlightCache[str, int] = SingleFlightCache(2, name="suite")
    source = [1]

    def compute(_: str) -> int:
        return source[0]

    def change() -> None:
        source[0] = 2
        cache.invalidate("a")

    together(lambda: cache.get("a", compute), change)
    assert cache.get("a", compute) == 2


def never_more_than_its_size() -> None:
    cache: SingleFlightCache[int, int] = SingleFlightCache(1, name="suite")

    def use(key: int) -> None:
        assert cache.get(key, lambda key: key * 2) == key * 2

    together(lambda: use(1), lambda: use(2), lambda: use(1))
    assert sum(cache.peek(key, None) is not None for key in (1, 2)) <= 1
