from __future__ import annotations

import pytest
from bridge.fake_call import FakeCall

from ftbridge.bridge.reflection import SERVICE_NAMES, ReflectionService
from ftbridge.rpc.method import MethodKind
from ftbridge.rpc.status import StatusCode
from ftbridge.wire.descriptors import FILES
from ftbridge.wire.reflection import (
    ExtensionRequest,
    ServerReflectionRequest,
    ServerReflectionResponse,
)

SERVICES = ["snakepit.bridge.BridgeService", "grpc.health.v1.Health", *SERVICE_NAMES]


@pytest.fixture
def reflection() -> ReflectionService:
    return ReflectionService(SERVICES, FILES)


def ask(reflection, *requests: ServerReflectionRequest) -> list[ServerReflectionResponse]:
    responses = list(reflection.server_reflection_info(iter(requests), FakeCall()))
    for request, response in zip(requests, responses, strict=True):
        assert response.original_request == request
        assert response.valid_host == request.host
        assert ServerReflectionResponse.decode(response.encode()) == response
    return responses


def test_list_services(reflection):
    [response] = ask(reflection, ServerReflectionRequest(host="h", list_services="*"))
    names = [service.name for service in response.list_services_response.service]
    assert names == sorted(SERVICES)


def test_every_listed_service_can_be_described(reflection):
    for service in SERVICES:
        [response] = ask(reflection, ServerReflectionRequest(file_containing_symbol=service))
        files = response.file_descriptor_response.file_descriptor_proto
        assert service.rpartition(".")[2].encode() in files[0]


def test_a_symbol_comes_with_what_its_file_imports_but_not_twice_in_a_stream(reflection):
    request = ServerReflectionRequest(file_containing_symbol="snakepit.bridge.ToolChunk")
    first, second = ask(reflection, request, request)
    assert len(first.file_descriptor_response.file_descriptor_proto) == 3
    again = second.file_descriptor_response.file_descriptor_proto
    assert again == [FILES["snakepit_bridge.proto"]]


def test_the_files_load_in_protobuf_in_the_order_they_need(reflection):
    from google.protobuf import descriptor_pb2, descriptor_pool

    request = ServerReflectionRequest(file_containing_symbol="snakepit.bridge.BridgeService")
    [response] = ask(reflection, request)
    pool = descriptor_pool.DescriptorPool()
    for data in reversed(response.file_descriptor_response.file_descriptor_proto):
        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(data))
    assert len(pool.FindServiceByName("snakepit.bridge.BridgeService").methods) == 11


def test_a_file_by_name(reflection):
    name = "google/protobuf/any.proto"
    [response] = ask(reflection, ServerReflectionRequest(file_by_filename=name))
    assert response.file_descriptor_response.file_descriptor_proto == [FILES[name]]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ServerReflectionRequest(file_by_filename="x.proto"), StatusCode.NOT_FOUND),
        (ServerReflectionRequest(file_containing_symbol="x.Y"), StatusCode.NOT_FOUND),
        (ServerReflectionRequest(all_extension_numbers_of_type="x.Y"), StatusCode.NOT_FOUND),
        (
            ServerReflectionRequest(
                file_containing_extension=ExtensionRequest(
                    containing_type="snakepit.bridge.ToolChunk", extension_number=100
                )
            ),
            StatusCode.NOT_FOUND,
        ),
        (ServerReflectionRequest(), StatusCode.INVALID_ARGUMENT),
    ],
)
def test_what_is_unknown_is_an_error_in_the_answer_and_the_stream_goes_on(
    reflection, request_, code
):
    response, after = ask(reflection, request_, ServerReflectionRequest(list_services=""))
    assert response.error_response.error_code == code
    assert response.error_response.error_message
    assert after.list_services_response is not None


def test_our_messages_have_no_extensions(reflection):
    name = "snakepit.bridge.ToolChunk"
    [response] = ask(reflection, ServerReflectionRequest(all_extension_numbers_of_type=name))
    assert response.all_extension_numbers_response.base_type_name == name
    assert response.all_extension_numbers_response.extension_number == []


def test_both_names_are_served(reflection):
    methods = reflection.methods()
    assert [method.path for method in methods] == [
        f"/{name}/ServerReflectionInfo" for name in SERVICE_NAMES
    ]
    assert all(method.kind is MethodKind.BIDI and method.long_lived for method in methods)
