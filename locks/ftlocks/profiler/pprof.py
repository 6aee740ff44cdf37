"""A profile in pprof's format, which `go tool pprof`, Pyroscope and others read.

The message is `perftools.profiles.Profile` of google/pprof's profile.proto, encoded by hand: it is
small, and protobuf is no dependency of this package. As Go's mutex profile it charges the stack
that let the lock go with what others waited for it, and as Go's block profile it charges the stack
that waited; the label "role" tells them apart. Must never emit a string, function or location that
the tables do not have.
"""

import gzip
import time

from ftlocks._sites import Frame
from ftlocks.profiler.report import Profile
from ftlocks.profiler.stacks import holders, waits

# Field numbers of profile.proto.
_SAMPLE_TYPE, _SAMPLE, _LOCATION, _FUNCTION, _STRING = 1, 2, 4, 5, 6
_TIME_NANOS, _DURATION_NANOS, _DEFAULT_SAMPLE_TYPE = 9, 10, 14


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _octets(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _packed(field: int, values: list[int]) -> bytes:
    return _octets(field, b"".join(map(_varint, values)))


class _Tables:
    """Strings, functions and locations, each numbered once."""

    def __init__(self) -> None:
        self.strings: dict[str, int] = {"": 0}
        self.functions: dict[tuple[str, str], int] = {}
        self.locations: dict[tuple[str, str, int], int] = {}

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def location(self, function: str, file: str, line: int) -> int:
        self.string(function)
        self.string(file)
        self.functions.setdefault((function, file), len(self.functions) + 1)
        return self.locations.setdefault((function, file, line), len(self.locations) + 1)

    def encoded(self) -> bytes:
        parts = []
        for (function, file, line), number in self.locations.items():
            told = _number(1, self.functions[function, file]) + _number(2, line)
            parts.append(_octets(_LOCATION, _number(1, number) + _octets(4, told)))
        for (function, file), number in self.functions.items():
            name = self.strings[function]
            parts.append(
                _octets(
                    _FUNCTION,
                    _number(1, number)
                    + _number(2, name)
                    + _number(3, name)
                    + _number(4, self.strings[file]),
                )
            )
        parts += [_octets(_STRING, text.encode()) for text in self.strings]
        return b"".join(parts)


def pprof(profile: Profile) -> bytes:
    """The gzipped message; sample values are contentions and nanoseconds of delay."""
    tables = _Tables()
    parts = [
        _octets(_SAMPLE_TYPE, _number(1, tables.string(kind)) + _number(2, tables.string(unit)))
        for kind, unit in (("contentions", "count"), ("delay", "nanoseconds"))
    ]
    counts = {
        ("waiter", lock.label, place.stack): place.contentions + place.short_waits + place.gave_up
        for lock in profile.locks
        for place in lock.places
    } | {
        ("holder", lock.label, holder.stack): holder.waiters
        for lock in profile.locks
        for holder in lock.holders
    }
    for role, found in (("holder", holders(profile)), ("waiter", waits(profile))):
        for label, stack, ns in found:
            count = counts[role, label, stack]
            parts.append(_octets(_SAMPLE, _sample(tables, role, label, stack, count, ns)))
    began = time.time_ns() - (time.perf_counter_ns() - profile.started_ns)
    parts.append(_number(_TIME_NANOS, began))
    parts.append(_number(_DURATION_NANOS, profile.duration_ns))
    parts.append(_number(_DEFAULT_SAMPLE_TYPE, tables.string("delay")))
    return gzip.compress(b"".join([*parts, tables.encoded()]), mtime=0)


def _sample(
    tables: _Tables, role: str, label: str, stack: tuple[Frame, ...], count: int, ns: int
) -> bytes:
    path = [
        tables.location(f"[{label}]", "", 0),
        *[tables.location(each.function, each.file, each.line) for each in stack],
    ]
    labels = b"".join(
        _octets(3, _number(1, tables.string(key)) + _number(2, tables.string(value)))
        for key, value in (("role", role), ("lock", label))
    )
    return _packed(1, path) + _packed(2, [count, ns]) + labels
