"""Server reflection, so that ordinary gRPC tools can list and call what is served here.

``grpc.reflection.v1`` and its older name ``v1alpha`` are the same protocol and the same messages
(grpc/doc/server-reflection.md); both are offered, since tools still ask for the older one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ftbridge.rpc.method import Call, Method, MethodKind
from ftbridge.rpc.status import StatusCode
from ftbridge.wire import reflection as wire

from .descriptor_index import DescriptorIndex

SERVICE_NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


class ReflectionService:
    """Answers questions about the services of one server.

    Args:
        services: full names of what is served, in the order they are listed.
        files: file name to serialized ``FileDescriptorProto`` of everything they use.
    """

    def __init__(self, services: Sequence[str], files: Mapping[str, bytes]) -> None:
        self._services = [wire.ServiceResponse(name=name) for name in sorted(services)]
        self._index = DescriptorIndex(files)

    def methods(self) -> list[Method]:
        """ServerReflectionInfo under both names."""
        return [
            Method(
                path=f"/{service}/ServerReflectionInfo",
                kind=MethodKind.BIDI,
                handler=self.server_reflection_info,
                decode=wire.ServerReflectionRequest.decode,
                encode=wire.ServerReflectionResponse.encode,
                # A tool may keep its stream open between questions.
                long_lived=True,
            )
            for service in SERVICE_NAMES
        ]

    def server_reflection_info(
        self, requests: Iterator[wire.ServerReflectionRequest], call: Call
    ) -> Iterator[wire.ServerReflectionResponse]:
        """One response for each request; a file is sent once in a stream."""
        sent: set[str] = set()
        for request in requests:
            response = wire.ServerReflectionResponse(
                valid_host=request.host, original_request=request
            )
            self._answer(request, response, sent)
            yield response

    def _answer(
        self,
        request: wire.ServerReflectionRequest,
        response: wire.ServerReflectionResponse,
        sent: set[str],
    ) -> None:
        if request.list_services is not None:
            response.list_services_response = wire.ListServiceResponse(service=self._services)
        elif request.file_by_filename is not None:
            name = request.file_by_filename
            self._send_file(response, name, sent, f"no file named {name!r}")
        elif request.file_containing_symbol is not None:
            symbol = request.file_containing_symbol
            self._send_file(
                response, self._index.file_of(symbol), sent, f"no symbol named {symbol!r}"
            )
        elif request.file_containing_extension is not None:
            extension = request.file_containing_extension
            response.error_response = _error(
                StatusCode.NOT_FOUND,
                f"no extension {extension.extension_number} of {extension.containing_type!r}; "
                "proto3 messages have none",
            )
        elif request.all_extension_numbers_of_type is not None:
            name = request.all_extension_numbers_of_type
            if self._index.is_message(name):
                response.all_extension_numbers_response = wire.ExtensionNumberResponse(
                    base_type_name=name
                )
            else:
                response.error_response = _error(StatusCode.NOT_FOUND, f"no message named {name!r}")
        else:
            response.error_response = _error(
                StatusCode.INVALID_ARGUMENT, "the request asks for nothing"
            )

    def _send_file(
        self,
        response: wire.ServerReflectionResponse,
        file_name: str | None,
        sent: set[str],
        complaint: str,
    ) -> None:
        files = None if file_name is None else self._index.with_imports(file_name)
        if files is None:
            response.error_response = _error(StatusCode.NOT_FOUND, complaint)
            return
        # The file asked for is sent again even if the stream has had it: it is the answer.
        answer = [data for name, data in files if name == file_name or name not in sent]
        sent.update([name for name, _ in files])
        response.file_descriptor_response = wire.FileDescriptorResponse(
            file_descriptor_proto=answer
        )


def _error(code: StatusCode, message: str) -> wire.ErrorResponse:
    return wire.ErrorResponse(error_code=int(code), error_message=message)
