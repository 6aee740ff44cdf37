"""Which file declares which name: an index over serialized file descriptors.

Reflection has to find "the file that declares symbol X, and everything it imports". That needs
a handful of fields of ``google/protobuf/descriptor.proto``, so this module reads just those from
the serialized form; the protobuf runtime is not needed to serve.

The input is generated at build time, not received: it is trusted to be well formed. Imports
nothing of ftbridge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

# Field numbers of google/protobuf/descriptor.proto.
_FILE_NAME, _FILE_PACKAGE, _FILE_DEPENDENCY = 1, 2, 3
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE, _FILE_EXTENSION = 4, 5, 6, 7
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM, _MESSAGE_EXTENSION, _MESSAGE_ONEOF = 2, 3, 4, 6, 8
_ENUM_VALUE = 2
_SERVICE_METHOD = 2
_NAME = 1

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


class DescriptorIndex:
    """Files by name and by the symbols they declare. Immutable once built.

    Args:
        files: file name to serialized ``FileDescriptorProto``; must hold every imported file.

    Raises:
        ValueError: a file is stored under another name than its own, or an import is missing.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self._imports: dict[str, tuple[str, ...]] = {}
        self._owner: dict[str, str] = {}
        self._messages: set[str] = set()
        for name, data in self._files.items():
            self._add(name, data)
        for name, imports in self._imports.items():
            missing = [wanted for wanted in imports if wanted not in self._files]
            if missing:
                raise ValueError(f"{name} imports {missing}, which the index does not have")

    def with_imports(self, file_name: str) -> list[tuple[str, bytes]] | None:
        """The file, then everything it imports, each once; None for an unknown file."""
        if file_name not in self._files:
            return None
        order = [file_name]
        for name in order:
            order.extend([n for n in self._imports[name] if n not in order])
        return [(name, self._files[name]) for name in order]

    def file_of(self, symbol: str) -> str | None:
        """The file that declares a fully qualified name; a leading dot is allowed."""
        return self._owner.get(symbol.removeprefix("."))

    def is_message(self, name: str) -> bool:
        """Whether a message of that fully qualified name is declared."""
        return name.removeprefix(".") in self._messages

    def _add(self, name: str, data: bytes) -> None:
        fields = [*_fields(data)]
        own_name = _text(fields, _FILE_NAME)
        if own_name != name:
            raise ValueError(f"the file stored as {name!r} calls itself {own_name!r}")
        self._imports[name] = tuple(
            [value.decode() for number, value in fields if number == _FILE_DEPENDENCY]
        )
        package = _text(fields, _FILE_PACKAGE)
        prefix = f"{package}." if package else ""
        for number, value in fields:
            if number == _FILE_MESSAGE:
                self._add_message(name, prefix, value)
            elif number == _FILE_ENUM:
                self._add_enum(name, prefix, value)
            elif number == _FILE_SERVICE:
                self._add_members(name, prefix, value, (_SERVICE_METHOD,))
            elif number == _FILE_EXTENSION:
                self._owner[prefix + _name(value)] = name

    def _add_message(self, file: str, prefix: str, data: bytes) -> None:
        members = (_MESSAGE_FIELD, _MESSAGE_EXTENSION, _MESSAGE_ONEOF)
        full_name = self._add_members(file, prefix, data, members)
        self._messages.add(full_name)
        for number, value in _fields(data):
            if number == _MESSAGE_NESTED:
                self._add_message(file, f"{full_name}.", value)
            elif number == _MESSAGE_ENUM:
                self._add_enum(file, f"{full_name}.", value)

    def _add_enum(self, file: str, prefix: str, data: bytes) -> None:
        self._owner[prefix + _name(data)] = file
        for number, value in _fields(data):
            if number == _ENUM_VALUE:
                # An enum's values are named beside it, not inside it.
                self._owner[prefix + _name(value)] = file

    def _add_members(self, file: str, prefix: str, data: bytes, members: tuple[int, ...]) -> str:
        full_name = prefix + _name(data)
        self._owner[full_name] = file
        for number, value in _fields(data):
            if number in members:
                self._owner[f"{full_name}.{_name(value)}"] = file
        return full_name


def _name(data: bytes) -> str:
    return _text(_fields(data), _NAME)


def _text(fields: Iterator[tuple[int, bytes]] | list[tuple[int, bytes]], wanted: int) -> str:
    for number, value in fields:
        if number == wanted:
            return value.decode()
    return ""


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each length-delimited field; the others are skipped."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire_type = tag & 7
        if wire_type == _LENGTH_DELIMITED:
            length, position = _varint(data, position)
            yield tag >> 3, data[position : position + length]
            position += length
        elif wire_type == _VARINT:
            _, position = _varint(data, position)
        elif wire_type == _FIXED64:
            position += 8
        elif wire_type == _FIXED32:
            position += 4
        else:
            raise ValueError(f"wire type {wire_type} does not occur in a file descriptor")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
