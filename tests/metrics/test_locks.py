"""The locks of a running profile, as Prometheus reads them."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import ftlocks
from ftbridge.metrics.locks import LockCollector


def test_a_scrape_has_each_locks_sums_so_far():
    lock = ftlocks.Lock("ledger")
    registry = CollectorRegistry()
    with ftlocks.profile(sample=1) as run:
        registry.register(LockCollector(run))
        with lock:
            pass
        with lock:
            assert not ftlocks.Lock("other").locked()
        before = _scrape(registry)
        with lock:
            pass
        after = _scrape(registry)

    labels = (("kind", "Lock"), ("lock", "ledger"))
    assert before["ftbridge_lock_acquisitions_total", labels] == 2
    assert after["ftbridge_lock_acquisitions_total", labels] == 3
    assert after["ftbridge_lock_contentions_total", labels] == 0
    assert after["ftbridge_lock_wait_seconds_total", labels] == 0
    held = run.report().locks[0].hold.total_ns / 1e9
    assert after["ftbridge_lock_hold_seconds_total", labels] == held > 0


def test_two_locks_of_one_name_are_one_series():
    with ftlocks.profile(sample=1) as run:
        for _ in range(2):
            with ftlocks.Lock("twin"):
                pass
        registry = CollectorRegistry()
        registry.register(LockCollector(run))
        found = _scrape(registry)

    assert found["ftbridge_lock_acquisitions_total", (("kind", "Lock"), ("lock", "twin"))] == 2


def _scrape(registry):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }
