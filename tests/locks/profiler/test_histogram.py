"""Logarithmic buckets: contiguous, and as exact as they claim."""

import random

from ftlocks.profiler import histogram
from ftlocks.profiler.histogram import ERROR, bounds_of, bucket_of


def test_buckets_follow_each_other_without_a_gap():
    edge = 0
    for bucket in range(400):
        low, high = bounds_of(bucket)
        assert low == edge
        assert bucket_of(low) == bucket_of(high - 1) == bucket
        edge = high
    assert edge > 10**13  # some hours in ns


def test_the_middle_of_a_bucket_is_within_the_stated_error():
    for bucket in range(1, 400):
        low, high = bounds_of(bucket)
        middle = (low + high - 1) // 2
        assert max(middle - low, high - 1 - middle) <= ERROR * low + 1


def test_quantiles_are_those_of_the_values():
    values = [random.Random(7).randrange(10, 10**7) for _ in range(2000)]
    counts = {}
    for value in values:
        histogram.add(counts, value)
    values.sort()

    for share in (0.5, 0.9, 0.99):
        exact = values[int(share * len(values)) - 1]
        assert abs(histogram.quantile(counts, share, values[-1]) - exact) <= ERROR * exact + 1
    assert histogram.quantile(counts, 1, values[-1]) <= values[-1]


def test_weights_count():
    counts = {}
    histogram.add(counts, 10, weight=99)
    histogram.add(counts, 1000)
    histogram.merge(counts, {bucket_of(10): 1})

    assert histogram.quantile(counts, 0.99, 1000) == 10
    assert histogram.quantile(counts, 1.0, 1000) == 991
    assert histogram.quantile({}, 0.5, 0) == 0
