"""Emits the serialized descriptors that server reflection answers with."""

from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
)

from tools.codegen.module import header

_LINE_BYTES: Final = 24  # of a serialized descriptor on one source line

_PURPOSE: Final = '''"""The files behind our services, as server reflection serves them.

No descriptor is parsed at run time: what reflection asks for is in the tables below.
"""'''


def emit_descriptors(files: Mapping[str, FileDescriptorProto]) -> str:
    """The module ftbridge/wire/descriptors.py."""
    lines = [
        f"{header(name for name in files)}{_PURPOSE}",
        "",
        "from typing import Final",
        "",
        "FILES: Final[dict[str, bytes]] = {",
    ]
    for name, file in files.items():
        lines += [f'"{name}": (', *_literal(_serialized(file)), "),"]
    lines += [
        "}",
        '"""The serialized google.protobuf.FileDescriptorProto of each file, by file name."""',
        "",
        "DEPENDENCIES: Final[dict[str, tuple[str, ...]]] = {",
        *(f'"{name}": {tuple(file.dependency)!r},' for name, file in files.items()),
        "}",
        '"""The files each file imports, by file name."""',
        "",
        "SERVICES: Final[tuple[str, ...]] = (",
        *(f'"{f.package}.{s.name}",' for f in files.values() for s in f.service),
        ")",
        '"""The full names of all services described here."""',
        "",
        "_DEFINED: Final[dict[tuple[str, str], tuple[str, ...]]] = {",
    ]
    for name, file in files.items():
        lines += [f'("{name}", "{file.package}."): (', *_symbols(file), "),"]
    lines += [
        "}",
        '"""Services, methods, messages, fields, oneofs, enums, values; by file and package."""',
        "",
        "SYMBOLS: Final[dict[str, str]] = {",
        "package + name: file for (file, package), names in _DEFINED.items() for name in names",
        "}",
        '"""The file that defines a symbol, by the symbol\'s full name."""',
        "",
    ]
    return "\n".join(lines)


def _serialized(file: FileDescriptorProto) -> bytes:
    """The file as protoc embeds it in generated code: without json_name, which the name implies."""
    copy = FileDescriptorProto()
    copy.CopyFrom(file)
    open_messages = list(copy.message_type)
    while open_messages:
        message = open_messages.pop()
        open_messages += message.nested_type
        for field in message.field:
            field.ClearField("json_name")
    return copy.SerializeToString(deterministic=True)


def _literal(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), _LINE_BYTES):
        yield repr(data[start : start + _LINE_BYTES])


def _symbols(file: FileDescriptorProto) -> Iterator[str]:
    """The symbols of a file, without its package, as lines of a tuple of strings."""
    for service in file.service:
        yield f'"{service.name}",'
        for method in service.method:
            yield f'"{service.name}.{method.name}",'
    for enum in file.enum_type:
        yield from _enum_symbols("", enum)
    for message in file.message_type:
        yield from _message_symbols("", message)


def _enum_symbols(scope: str, enum: EnumDescriptorProto) -> Iterator[str]:
    yield f'"{scope}{enum.name}",'
    # A protobuf enum's values live beside it, not inside it.
    for value in enum.value:
        yield f'"{scope}{value.name}",'


def _message_symbols(scope: str, message: DescriptorProto) -> Iterator[str]:
    name = f"{scope}{message.name}"
    yield f'"{name}",'
    for field in message.field:
        yield f'"{name}.{field.name}",'
    for oneof in message.oneof_decl:
        yield f'"{name}.{oneof.name}",'
    for enum in message.enum_type:
        yield from _enum_symbols(f"{name}.", enum)
    for nested in message.nested_type:
        yield from _message_symbols(f"{name}.", nested)
