"""Emits the encoders: a list of pieces, joined once.

Fields in order of their numbers, defaults left out, both parts of every map entry written: the
bytes google.protobuf produces. Heads of short fields come from tables; a message with a payload
hands its pieces to the message around it, so that large bytes are copied once, by the join.
"""

from dataclasses import replace

from tools.codegen.decoder import Lines, indent
from tools.codegen.schema import Field, Message, Schema, snake_case

_INT_FIELDS = {"int32": "int32_field", "int64": "int64_field", "enum": "int32_field"}


def emit_encode(schema: Schema, message: Message) -> Lines:
    """The `encode` method."""
    head = [
        "def encode(self) -> bytes:",
        f'    """The `{message.full_name}` in binary form; `EncodeError` names a bad field."""',
    ]
    if not message.fields:
        return [*head, '    return b""']
    if pieces_of(schema, message):
        return [*head, f'    return b"".join({pieces_function(message)}(self))']
    return [
        *head,
        "    parts: list[bytes] = []",
        "    try:",
        *indent(_emit_fields(schema, message, "self"), 2),
        "    except ENCODE_FAILURES as error:",
        "        raise unencodable(self, error) from None",
        '    return b"".join(parts)',
    ]


def emit_pieces(schema: Schema, message: Message) -> Lines:
    """The function that gives a message's encoding in pieces, for the message around it."""
    return [
        f"def {pieces_function(message)}(made: {message.name}) -> list[bytes]:",
        "    parts: list[bytes] = []",
        "    try:",
        *indent(_emit_fields(schema, message, "made"), 2),
        "    except ENCODE_FAILURES as error:",
        "        raise unencodable(made, error) from None",
        "    return parts",
    ]


def pieces_of(schema: Schema, message: Message) -> bool:
    """Whether the message is emitted with a function for its pieces."""
    return message.has_payload and message.full_name in schema.nested


def pieces_function(message: Message) -> str:
    return f"_pieces_of_{snake_case(message.name)}"


def head_table(tag: int) -> str:
    """The module constant with the heads of short fields under `tag`."""
    return f"HEAD_{tag:02X}"


def emit_head_tables(schema: Schema) -> Lines:
    tags = (
        {0x0A, 0x12} if any(f.kind == "map" for m in schema.messages for f in m.fields) else set()
    )
    for message in schema.messages:
        tags |= {field.tag for field in message.fields if field.kind not in ("bool", "double")}
    return [f"{head_table(tag)}: Final = short_fields(0x{tag:02X})" for tag in sorted(tags)]


def _emit_fields(schema: Schema, message: Message, owner: str) -> Lines:
    lines: Lines = []
    checked: set[tuple[str, ...]] = set()
    for field in message.fields:
        if field.oneof and field.oneof not in checked:
            checked.add(field.oneof)
            lines += _emit_oneof_check(field.oneof, owner)
        lines += [
            f"{field.local} = {owner}.{field.name}",
            *_emit_field(schema, field),
        ]
    return lines


def _emit_oneof_check(members: tuple[str, ...], owner: str) -> Lines:
    unset = " + ".join(f"({owner}.{name} is None)" for name in members)
    names = ", ".join(members)
    return [
        f"if {unset} < {len(members) - 1}:",
        f'    raise EncodeError(f"{{type({owner}).__name__}}: more than one set of {names}")',
    ]


def _emit_field(schema: Schema, field: Field) -> Lines:
    if field.kind == "map":
        return _emit_map(schema, field)
    if field.repeated and field.kind == "int32":
        return [
            f"if {field.local}:",
            f"    parts.append(packed_int32_field(0x{field.tag:02X}, {field.local}))",
        ]
    if field.repeated:
        element = replace(field, name="element", repeated=False)
        return [f"for element in {field.local}:", *indent(_emit_present(schema, element))]
    if field.kind == "double" and not field.optional:
        # -0.0 is equal to the default but not the default: protobuf compares the bits.
        return [
            f"packed = pack_double({field.local})",
            "if packed != ZERO_DOUBLE:",
            f'    parts += (b"\\x{field.tag:02x}", packed)',
        ]
    test = f"{field.local} is not None" if field.optional else field.local
    return [f"if {test}:", *indent(_emit_present(schema, field))]


def _emit_present(schema: Schema, field: Field) -> Lines:
    """Write a field, or one element of it, that must be written."""
    value, table, tag = field.local, head_table(field.tag), f"0x{field.tag:02X}"
    if field.kind == "bool":
        return [f'parts.append(b"\\x{field.tag:02x}\\x01")']
    if field.kind == "double":
        return [f'parts += (b"\\x{field.tag:02x}", pack_double({value}))']
    if field.kind in _INT_FIELDS:
        least = "0 <=" if field.optional else "0 <"
        return [
            "parts.append(",
            f"    {table}[{value}] if {least} {value} < 0x80 else "
            f"{_INT_FIELDS[field.kind]}({tag}, {value})",
            ")",
        ]
    if field.kind == "message":
        message = schema.message(field.type_name)
        if pieces_of(schema, message):
            return [
                f"pieces = {pieces_function(message)}({value})",
                "size = sum(map(len, pieces))",
                f"parts.append({table}[size] if size < 0x80 else field_head({tag}, size))",
                "parts += pieces",
            ]
    content, size = f"{value}_bytes", "size"
    return [
        *_emit_content(schema, field, content),
        f"{size} = len({content})",
        f"parts += ({table}[{size}] if {size} < 0x80 else field_head({tag}, {size}), {content})",
    ]


def _emit_content(schema: Schema, field: Field, content: str) -> Lines:
    """Put the encoded value into the variable `content`."""
    if field.kind == "string":
        return [f"{content} = {field.local}.encode()"]
    if field.kind == "bytes":
        value = field.local
        return [f"{content} = {value} if type({value}) is bytes else as_bytes({value})"]
    # Called on the class: a str in place of a message has an encode() too.
    return [f"{content} = {field.class_name}.encode({field.local})"]


def _emit_map(schema: Schema, field: Field) -> Lines:
    assert field.key is not None
    assert field.value is not None
    key = replace(field.key, name="map_key")
    item = replace(field.value, name=f"map_{snake_case(field.value.scalar_type)}")
    table, tag = head_table(field.tag), f"0x{field.tag:02X}"
    lines = [
        *_emit_content(schema, key, "key_bytes"),
        "size = len(key_bytes)",
        "key_head = HEAD_0A[size] if size < 0x80 else field_head(0x0A, size)",
        "entry_size = len(key_head) + size",
    ]
    message = schema.message(item.type_name) if item.kind == "message" else None
    if message and pieces_of(schema, message):
        lines += [
            f"pieces = {pieces_function(message)}({item.name})",
            "size = sum(map(len, pieces))",
        ]
        last = "*pieces"
    else:
        lines += [*_emit_content(schema, item, "item_bytes"), "size = len(item_bytes)"]
        last = "item_bytes"
    lines += [
        "item_head = HEAD_12[size] if size < 0x80 else field_head(0x12, size)",
        "entry_size += len(item_head) + size",
        "parts += (",
        f"    {table}[entry_size] if entry_size < 0x80 else field_head({tag}, entry_size),",
        "    key_head,",
        "    key_bytes,",
        "    item_head,",
        f"    {last},",
        ")",
    ]
    return [f"for {key.name}, {item.name} in {field.local}.items():", *indent(lines)]
