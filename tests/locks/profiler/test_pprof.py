"""The pprof file, read back with google's protobuf by the field numbers of profile.proto."""

import gzip

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from locks.profiler.contention import contended

from ftlocks.profiler.pprof import pprof

_INT64, _UINT64, _STRING, _MESSAGE = 3, 4, 9, 11
# google/pprof, proto/profile.proto: name, number, type, whether repeated, message.
_FIELDS = {
    "ValueType": [("type", 1, _INT64), ("unit", 2, _INT64)],
    "Label": [("key", 1, _INT64), ("str", 2, _INT64), ("num", 3, _INT64)],
    "Sample": [
        ("location_id", 1, _UINT64, True),
        ("value", 2, _INT64, True),
        ("label", 3, "Label", True),
    ],
    "Line": [("function_id", 1, _UINT64), ("line", 2, _INT64)],
    "Location": [("id", 1, _UINT64), ("mapping_id", 2, _UINT64), ("line", 4, "Line", True)],
    "Function": [
        ("id", 1, _UINT64),
        ("name", 2, _INT64),
        ("system_name", 3, _INT64),
        ("filename", 4, _INT64),
    ],
    "Profile": [
        ("sample_type", 1, "ValueType", True),
        ("sample", 2, "Sample", True),
        ("location", 4, "Location", True),
        ("function", 5, "Function", True),
        ("string_table", 6, _STRING, True),
        ("time_nanos", 9, _INT64),
        ("duration_nanos", 10, _INT64),
        ("default_sample_type", 14, _INT64),
    ],
}


@pytest.fixture(scope="module")
def profile_class():
    file = descriptor_pb2.FileDescriptorProto(
        name="ftlocks_profile.proto", package="ftlocks_test", syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, *repeated in fields:
            added = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                added.type, added.type_name = _MESSAGE, f".ftlocks_test.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ftlocks_test.Profile"))


def test_google_protobuf_reads_what_was_meant(profile_class):
    report, _ = contended()
    found = profile_class.FromString(gzip.decompress(pprof(report)))

    strings = list(found.string_table)
    assert strings[0] == ""
    types = [(strings[each.type], strings[each.unit]) for each in found.sample_type]
    assert types == [("contentions", "count"), ("delay", "nanoseconds")]
    assert strings[found.default_sample_type] == "delay"
    assert found.duration_nanos == report.duration_ns
    functions = {each.id: strings[each.name] for each in found.function}
    locations = {each.id: functions[each.line[0].function_id] for each in found.location}
    told = {}
    for sample in found.sample:
        labels = {strings[label.key]: strings[label.str] for label in sample.label}
        stack = [locations[number] for number in sample.location_id]
        told[labels["role"]] = (stack[:2], list(sample.value))
    lock = report.locks[0]
    assert told["holder"] == (["[hot]", "hold_up"], [1, lock.holders[0].waited_ns])
    assert told["waiter"] == (["[hot]", "contended.<locals>.take"], [1, lock.waiting_ns])
    assert all(each.line[0].line for each in found.location if "[" not in locations[each.id])


def test_large_numbers_and_other_alphabets_survive(profile_class):
    report, _ = contended("Sperre größer\u20ac")
    found = profile_class.FromString(gzip.decompress(pprof(report)))

    assert found.time_nanos > 2**60
    assert "[Sperre größer\u20ac]" in found.string_table
