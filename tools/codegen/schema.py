"""The protobuf descriptors, reduced to what the emitters need to know.

Refuses what the emitted code does not handle (recursive messages, field numbers above 15, types
no .proto here uses): a generator that stops is better than a codec that is wrong.
"""

import builtins
import keyword
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

# Names the emitted functions use for themselves; a field of such a name gets "_" appended.
_LOCALS: Final = frozenset({
    "buf", "data", "end", "entry_end", "error", "into", "made", "new", "number", "part", "parts",
    "pieces", "pos", "self", "size", "stop", "tag",
})  # fmt: skip
_TAKEN: Final = _LOCALS | set(keyword.kwlist) | set(dir(builtins))

# Tags of one byte only: the emitted code compares one byte of the buffer with them.
_MAX_FIELD_NUMBER: Final = 15

_TYPES: Final = {
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_INT32: "int32",
    FieldDescriptorProto.TYPE_INT64: "int64",
    FieldDescriptorProto.TYPE_ENUM: "enum",
    FieldDescriptorProto.TYPE_DOUBLE: "double",
    FieldDescriptorProto.TYPE_MESSAGE: "message",
}
_PYTHON_TYPES: Final = {
    "string": ("str", '""'),
    "bytes": ("bytes", 'b""'),
    "bool": ("bool", "False"),
    "int32": ("int", "0"),
    "int64": ("int", "0"),
    "enum": ("int", "0"),
    "double": ("float", "0.0"),
}
_WIRE_TYPES: Final = {"string": 2, "bytes": 2, "message": 2, "double": 1}  # the rest: 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a message, or the key or value of a map's entries."""

    name: str
    number: int
    kind: str  # a value of _TYPES, or "map"
    repeated: bool
    oneof: tuple[str, ...]  # all members of its oneof, itself included; () outside one
    type_name: str  # full name of the message or enum, "" for scalars
    key: "Field | None" = None  # of a map's entries
    value: "Field | None" = None

    @property
    def local(self) -> str:
        """The name of the variable that holds the field in emitted functions."""
        return local_name(self.name)

    @property
    def tag(self) -> int:
        """The key that precedes the field on the wire (packed form for repeated numbers)."""
        packed = self.repeated or self.kind == "map"
        return self.number << 3 | (2 if packed else _WIRE_TYPES.get(self.kind, 0))

    @property
    def optional(self) -> bool:
        """Whether None means unset."""
        return bool(self.oneof) or (self.kind == "message" and not self.repeated)

    @property
    def class_name(self) -> str:
        """The Python class of a message field."""
        return self.type_name.rpartition(".")[2]

    @property
    def scalar_type(self) -> str:
        """The Python type of one element."""
        return self.class_name if self.kind == "message" else _PYTHON_TYPES[self.kind][0]

    @property
    def scalar_default(self) -> str:
        return "None" if self.kind == "message" else _PYTHON_TYPES[self.kind][1]

    @property
    def annotation(self) -> str:
        if self.key and self.value:
            return f"dict[{self.key.scalar_type}, {self.value.scalar_type}]"
        if self.repeated:
            return f"list[{self.scalar_type}]"
        return f"{self.scalar_type} | None" if self.optional else self.scalar_type

    @property
    def default(self) -> str:
        if self.kind == "map":
            return "{}"
        if self.repeated:
            return "[]"
        return "None" if self.optional else self.scalar_default

    @property
    def proto_type(self) -> str:
        """The type as the .proto writes it."""
        if self.key and self.value:
            return f"map<{self.key.proto_type}, {self.value.proto_type}>"
        element = self.type_name if self.kind == "message" else self.kind
        return f"repeated {element}" if self.repeated else element


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message type."""

    full_name: str
    fields: tuple[Field, ...]

    @property
    def name(self) -> str:
        return self.full_name.rpartition(".")[2]

    @property
    def reader(self) -> str:
        """The emitted function that reads this message out of an enclosing one."""
        return f"_read_{snake_case(self.name)}"

    @property
    def has_payload(self) -> bool:
        """Holds bytes that may be large, so enclosing messages must not copy its encoding."""
        return any(field.kind == "bytes" and not field.repeated for field in self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum:
    """One enumeration."""

    full_name: str
    values: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        return self.full_name.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The messages and enumerations of some files."""

    messages: tuple[Message, ...]
    enums: tuple[Enum, ...]

    @property
    def nested(self) -> frozenset[str]:
        """Full names of the messages that appear inside others."""
        return frozenset(
            part.type_name
            for message in self.messages
            for field in message.fields
            for part in (field, field.value)
            if part and part.kind == "message"
        )

    def message(self, full_name: str) -> Message:
        return next(m for m in self.messages if m.full_name == full_name)


def snake_case(name: str) -> str:
    """ "ToolSpec" as "tool_spec"."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def local_name(name: str) -> str:
    """`name`, made different from everything emitted functions use themselves."""
    return f"{name}_" if name in _TAKEN else name


def read(files: Iterable[FileDescriptorProto]) -> Schema:
    """The schema of `files`, which must contain every message that they refer to.

    Raises:
        NotImplementedError: for anything the emitters do not handle.
    """
    messages: list[Message] = []
    enums: list[Enum] = []
    for file in files:
        enums += [_enum(file.package, enum) for enum in file.enum_type]
        for prefix, descriptor in _walk(file.package, file.message_type):
            enums += [_enum(f"{prefix}.{descriptor.name}", e) for e in descriptor.enum_type]
            if not descriptor.options.map_entry:
                messages.append(_message(prefix, descriptor))
    schema = Schema(messages=tuple(messages), enums=tuple(enums))
    _check(schema)
    return schema


def _walk(
    prefix: str, descriptors: Sequence[DescriptorProto]
) -> Iterator[tuple[str, DescriptorProto]]:
    for descriptor in descriptors:
        yield prefix, descriptor
        yield from _walk(f"{prefix}.{descriptor.name}", descriptor.nested_type)


def _enum(prefix: str, descriptor: EnumDescriptorProto) -> Enum:
    return Enum(
        full_name=f"{prefix}.{descriptor.name}",
        values=tuple((value.name, value.number) for value in descriptor.value),
    )


def _message(prefix: str, descriptor: DescriptorProto) -> Message:
    full_name = f"{prefix}.{descriptor.name}"
    entries = {
        f".{full_name}.{nested.name}": nested
        for nested in descriptor.nested_type
        if nested.options.map_entry
    }
    fields = tuple(
        _field(descriptor, field, entries)
        for field in sorted(descriptor.field, key=lambda field: field.number)
    )
    return Message(full_name=full_name, fields=fields)


def _field(
    message: DescriptorProto, field: FieldDescriptorProto, entries: dict[str, DescriptorProto]
) -> Field:
    if field.type not in _TYPES or field.proto3_optional or field.number > _MAX_FIELD_NUMBER:
        raise NotImplementedError(f"{message.name}.{field.name}: {field}")
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    if entry := entries.get(field.type_name):
        key, value = (_field(entry, part, {}) for part in entry.field)
        if key.kind != "string" or value.tag & 7 != 2:
            raise NotImplementedError(f"{message.name}.{field.name}: {key.kind} -> {value.kind}")
        return Field(
            name=field.name, number=field.number, kind="map", repeated=False, oneof=(),
            type_name="", key=key, value=value,
        )  # fmt: skip
    members = [
        other.name
        for other in message.field
        if field.HasField("oneof_index")
        and other.HasField("oneof_index")
        and other.oneof_index == field.oneof_index
    ]
    return Field(
        name=field.name, number=field.number, kind=_TYPES[field.type], repeated=repeated,
        oneof=tuple(members), type_name=field.type_name.lstrip("."),
    )  # fmt: skip


def _check(schema: Schema) -> None:
    names = [message.name for message in schema.messages]
    if len(names) != len(set(names)):
        raise NotImplementedError(f"two messages of one name in one module: {sorted(names)}")
    for message in schema.messages:
        _check_depth(schema, message, ())


def _check_depth(schema: Schema, message: Message, above: tuple[str, ...]) -> None:
    if message.full_name in above:
        raise NotImplementedError(
            f"{message.full_name} contains itself: the decoders recurse without a depth limit, "
            "because the schema bounds the depth"
        )
    for field in message.fields:
        part = field.value or field
        if part.kind == "message":
            inner = schema.message(part.type_name)
            _check_depth(schema, inner, (*above, message.full_name))
