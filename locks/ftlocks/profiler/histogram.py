"""Times in logarithmic buckets: little memory, any range, and an error that can be stated.

Eight buckets to the octave, as in HdrHistogram with three bits of precision: what is read from the
middle of a bucket is off by one part in sixteen at most. A histogram is a dictionary from bucket to
count, because most are nearly empty. Must never import anything.
"""

from typing import Final

type Histogram = dict[int, int]

_BITS: Final = 3
_PER_OCTAVE: Final = 1 << _BITS

# The largest relative error of a value read back.
ERROR: Final = 1 / (2 * _PER_OCTAVE)


def bucket_of(value: int) -> int:
    """Where a value of no negative size belongs; small ones have a bucket each."""
    shift = value.bit_length() - _BITS - 1
    return value if shift <= 0 else (shift << _BITS) + (value >> shift)


def bounds_of(bucket: int) -> tuple[int, int]:
    """The smallest value of a bucket, and the smallest of the next one."""
    if bucket < 2 * _PER_OCTAVE:
        return bucket, bucket + 1
    shift = (bucket >> _BITS) - 1
    low = (_PER_OCTAVE + (bucket & (_PER_OCTAVE - 1))) << shift
    return low, low + (1 << shift)


def add(histogram: Histogram, value: int, weight: int = 1) -> None:
    """Count a value."""
    bucket = bucket_of(value)
    # Not dict.get(): see ARCHITECTURE.md.
    if bucket in histogram:
        histogram[bucket] += weight
    else:
        histogram[bucket] = weight


def merge(into: Histogram, other: Histogram) -> None:
    """Add all of another's counts."""
    for bucket, count in other.items():
        into[bucket] = into.get(bucket, 0) + count


def quantile(histogram: Histogram, share: float, largest: int) -> int:
    """The value that `share` of all do not exceed, within `ERROR`; 0 of nothing.

    Args:
        largest: the largest value, which is known exactly: no quantile is above it.
    """
    total = sum(histogram.values())
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= share * total:
            low, high = bounds_of(bucket)
            return min((low + high - 1) // 2, largest)
    return 0
