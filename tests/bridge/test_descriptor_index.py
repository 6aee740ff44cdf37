from __future__ import annotations

import pytest

from ftbridge.bridge.descriptor_index import DescriptorIndex
from ftbridge.wire.descriptors import FILES

BRIDGE = "snakepit_bridge.proto"


@pytest.fixture(scope="module")
def index() -> DescriptorIndex:
    return DescriptorIndex(FILES)


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("snakepit.bridge.BridgeService", BRIDGE),
        ("snakepit.bridge.BridgeService.ExecuteTool", BRIDGE),
        ("snakepit.bridge.ExecuteToolRequest", BRIDGE),
        (".snakepit.bridge.ExecuteToolRequest", BRIDGE),
        ("snakepit.bridge.ExecuteToolRequest.tool_name", BRIDGE),
        ("snakepit.bridge.ExecuteToolRequest.ParametersEntry", BRIDGE),
        ("snakepit.bridge.TelemetryValue.value", BRIDGE),
        ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"),
        ("grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"),
        ("google.protobuf.Any", "google/protobuf/any.proto"),
    ],
)
def test_symbols_of_every_kind_are_found(index, symbol, file):
    assert index.file_of(symbol) == file


@pytest.mark.parametrize("symbol", ["", "snakepit", "snakepit.bridge", "BridgeService", "x.Y"])
def test_what_is_no_symbol(index, symbol):
    assert index.file_of(symbol) is None


def test_the_index_agrees_with_protobuf_on_every_name(index):
    from google.protobuf import descriptor_pb2

    for name, data in FILES.items():
        file = descriptor_pb2.FileDescriptorProto.FromString(data)
        assert file.name == name
        for service in file.service:
            for method in service.method:
                assert index.file_of(f"{file.package}.{service.name}.{method.name}") == name
        for message in file.message_type:
            full_name = f"{file.package}.{message.name}"
            assert index.file_of(full_name) == name
            assert index.is_message(full_name)
            for field in message.field:
                assert index.file_of(f"{full_name}.{field.name}") == name
        assert [n for n, _ in index.with_imports(name)][1:] == list(file.dependency)


def test_a_file_comes_with_its_imports_once(index):
    names = [name for name, _ in index.with_imports(BRIDGE)]
    assert names[0] == BRIDGE
    assert sorted(names[1:]) == ["google/protobuf/any.proto", "google/protobuf/timestamp.proto"]
    assert index.with_imports("nothing.proto") is None


def test_a_file_under_a_wrong_name_and_a_missing_import_are_errors():
    with pytest.raises(ValueError, match="calls itself"):
        DescriptorIndex({"other.proto": FILES[BRIDGE]})
    with pytest.raises(ValueError, match="imports"):
        DescriptorIndex({BRIDGE: FILES[BRIDGE]})
