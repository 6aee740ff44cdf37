"""The tables that reflection answers from, against the descriptor pool."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from wire.oracle import PAIRS

from ftbridge.wire.descriptors import DEPENDENCIES, FILES, SERVICES, SYMBOLS


def test_files_load_in_the_order_of_their_dependencies() -> None:
    pool = DescriptorPool()
    for name, serialized in FILES.items():
        assert all(dependency in FILES for dependency in DEPENDENCIES[name])
        pool.AddSerializedFile(serialized)
        assert tuple(d.name for d in pool.FindFileByName(name).dependencies) == DEPENDENCIES[name]


@pytest.mark.parametrize("name", FILES)
def test_files_are_those_the_oracle_was_made_of(name: str) -> None:
    assert PAIRS  # imports every _pb2, whose files are then in the default pool
    if "v1alpha" in name:
        import ftbridge.wire.proto.grpc.reflection.v1alpha.reflection_pb2  # noqa: F401
    loaded = FileDescriptorProto()
    Default().FindFileByName(name).CopyToProto(loaded)
    for message in loaded.message_type:  # the files of google.protobuf itself carry json names
        for field in message.field:
            field.ClearField("json_name")
    assert FileDescriptorProto.FromString(FILES[name]) == loaded


def test_services() -> None:
    assert SERVICES == (
        "snakepit.bridge.BridgeService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    )


def test_symbols_lead_to_their_files() -> None:
    pool = DescriptorPool()
    for serialized in FILES.values():
        pool.AddSerializedFile(serialized)
    # The pools differ in what they look up by name; both know services, messages and methods.
    found = 0
    for symbol, file in SYMBOLS.items():
        try:
            assert pool.FindFileContainingSymbol(symbol).name == file
        except KeyError:
            assert symbol.rpartition(".")[0] in SYMBOLS  # an oneof, an enum's value
        else:
            found += 1
    assert found > len(SYMBOLS) // 2
    for symbol in (
        "snakepit.bridge.BridgeService.ExecuteTool",
        "snakepit.bridge.TelemetryValue.value",
        "google.protobuf.Any.type_url",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
        "grpc.health.v1.HealthCheckResponse.SERVING",
    ):
        assert symbol in SYMBOLS
