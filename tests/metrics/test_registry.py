from __future__ import annotations

from ftbridge import metrics


class Empty:
    def collect(self):
        return ()


def test_registered_once_however_often_and_out_again():
    one, two = Empty(), Empty()
    metrics.register(one)
    metrics.register(two)
    metrics.register(one)
    try:
        assert [c for c in metrics.collectors() if c in (one, two)] == [one, two]
    finally:
        metrics.unregister(one)
        metrics.unregister(one)
        metrics.unregister(two)
    assert one not in metrics.collectors()
