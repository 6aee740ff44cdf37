from ftbridge.rpc.cost import SHORT_SECONDS, Cost


def _proven() -> Cost:
    cost = Cost()
    for _ in range(200):
        cost.record(SHORT_SECONDS / 10)
    assert cost.short
    return cost


def test_nothing_is_short_before_it_has_been_seen_to_be() -> None:
    cost = Cost()
    assert not cost.short
    seen = 0
    while not cost.short:
        cost.record(SHORT_SECONDS / 10)
        seen += 1
    assert 10 < seen < 100


def test_long_calls_never_become_short() -> None:
    cost = Cost()
    for _ in range(1000):
        cost.record(SHORT_SECONDS * 2)
    assert not cost.short


def test_a_single_stall_is_forgiven_after_some_short_calls() -> None:
    cost = _proven()
    cost.record(3600.0)
    assert not cost.short
    seen = 0
    while not cost.short:
        cost.record(SHORT_SECONDS / 10)
        seen += 1
    assert seen < 100


def test_a_mean_between_the_two_bounds_changes_nothing() -> None:
    between = SHORT_SECONDS * 1.5
    cost, new = _proven(), Cost()
    for _ in range(1000):
        cost.record(between)
        new.record(between)
    assert cost.short
    assert not new.short
