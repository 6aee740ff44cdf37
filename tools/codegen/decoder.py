"""Emits the decoders: one straight-line pass over a message's bytes.

The shape, and why (measured on the free-threaded build, where nothing is specialised):

- Values gather in local variables; the object is made once, at the end.
- Tests stand in the order of field numbers, the order encoders write, and fall through: a
  message in order costs one comparison for each field of its type, present or not.
- Tags and lengths of one byte are read in place; anything longer is a call.
- Bounds are checked once for each field. Reading a byte behind the last raises IndexError,
  which is caught once for the message.
"""

from dataclasses import replace

from tools.codegen.schema import Field, Message, Schema, local_name, snake_case

Lines = list[str]


def indent(lines: Lines, levels: int = 1) -> Lines:
    return [f"{'    ' * levels}{line}" if line else line for line in lines]


def emit_decode(schema: Schema, message: Message) -> Lines:
    """The `decode` static method, as a whole for a message that is never inside another."""
    head = [
        "@staticmethod",
        f"def decode(data: bytes) -> {message.name}:",
        f'    """Read a `{message.full_name}`; `DecodeError` when the bytes are not one."""',
    ]
    if not message.fields:
        return [*head, *indent(_emit_empty_body(message))]
    start = ["buf = data if type(data) is bytes else as_bytes(data)"]
    if message.full_name in schema.nested:
        return [*head, *indent([*start, f"return {message.reader}(buf, 0, len(buf), None)"])]
    start += ["pos = 0", "end = len(buf)", *_emit_defaults(message)]
    return [*head, *indent([*start, *_emit_body(schema, message)])]


def emit_reader(schema: Schema, message: Message) -> Lines:
    """The function that reads a message within another, merging into what was read before."""
    restored = [f"{field.local} = into.{field.name}" for field in message.fields]
    return [
        f"def {message.reader}(",
        f"    buf: bytes, pos: int, end: int, into: {message.name} | None",
        f") -> {message.name}:",
        *indent(["if into is None:", *indent(_emit_defaults(message)), "else:"]),
        *indent(restored, 2),
        *indent(_emit_body(schema, message)),
    ]


def emit_tables(message: Message) -> Lines:
    """The constants a decoder refers to: its tags, by name, and the sets that it knows."""
    names = {tag: field.name for field in message.fields for tag in _tags(field)}
    entries = ", ".join(f"0x{tag:02X}: {name!r}" for tag, name in names.items())
    base = constant(message)
    return [
        f"{base}_FIELDS: Final = {{{entries}}}",
        f"{base}_TAGS: Final = frozenset({base}_FIELDS)",
    ]


def constant(message: Message) -> str:
    """Prefix of the message's module constants."""
    return message.reader.removeprefix("_read").upper()


def _emit_empty_body(message: Message) -> Lines:
    return [
        "buf = data if type(data) is bytes else as_bytes(data)",
        "pos = 0",
        "try:",
        "    while pos < len(buf):",
        "        _, pos = skip_unknown(buf, pos, len(buf), frozenset())",
        "except DECODE_FAILURES as error:",
        f'    raise malformed("{message.name}", {{}}, 0, pos, error) from None',
        f"return {message.name}()",
    ]


def _emit_defaults(message: Message) -> Lines:
    return [f"{field.local}: {field.annotation} = {field.default}" for field in message.fields]


def _emit_body(schema: Schema, message: Message) -> Lines:
    base = constant(message)
    lines = [
        "tag = 0",
        "try:",
        "    tag = buf[pos] if pos < end else 0",
        "    while pos < end:",
    ]
    for field in message.fields:
        lines += indent(_emit_branch(schema, field, tag="tag", end="end"), 2)
    lines += [
        f"        if pos < end and tag not in {base}_TAGS:",
        f"            tag, pos = skip_unknown(buf, pos, end, {base}_TAGS)",
        "except DECODE_FAILURES as error:",
        f'    raise malformed("{message.name}", {base}_FIELDS, tag, pos, error) from None',
        f"made = new({message.name})",
        *(f"made.{field.name} = {field.local}" for field in message.fields),
        "return made",
    ]
    return lines


def _tags(field: Field) -> list[int]:
    """The tags under which a field may arrive: numbers repeat packed or one by one."""
    if field.repeated and field.kind == "int32":
        return [field.tag, field.number << 3]
    return [field.tag]


def _emit_branch(schema: Schema, field: Field, *, tag: str, end: str) -> Lines:
    """Read the field if its tag is next, then look at the tag behind it."""
    many = field.repeated or field.kind == "map"
    lines: Lines = []
    for expected in _tags(field):
        lines += [
            f"{'while' if many else 'if'} {tag} == 0x{expected:02X}:"
            f"  # {field.name}: {field.proto_type}",
            *indent(_emit_value(schema, field, expected, end=end)),
            f"    {tag} = buf[pos] if pos < {end} else 0",
        ]
    return lines


def _emit_value(schema: Schema, field: Field, tag: int, *, end: str) -> Lines:
    if field.kind == "map":
        return _emit_entry(schema, field, end=end)
    if field.kind == "double":
        return [
            f"if pos + 9 > {end}:",
            f"    overrun(8, {end} - pos - 1)",
            *_emit_store(field, "unpack_double(buf, pos + 1)[0]"),
            "pos += 9",
        ]
    if tag & 7 == 0:
        reader = "read_int32" if field.kind in ("int32", "enum") else "read_int64"
        return [
            "number = buf[pos + 1]",
            "pos += 2",
            "if number > 0x7F:",
            f"    number, pos = {reader}(buf, pos - 1, {end})",
            f"elif pos > {end}:",
            "    overrun(1, 0)",
            *_emit_store(field, "number != 0" if field.kind == "bool" else "number"),
        ]
    value = {
        "string": "buf[pos:stop].decode()",
        "bytes": "buf[pos:stop]",
        "int32": "",
    }.get(field.kind)
    if field.kind == "message":
        into = "None" if field.repeated else field.local
        value = f"{schema.message(field.type_name).reader}(buf, pos, stop, {into})"
    lines = _emit_length("stop", end=end)
    if value:
        return [*lines, *_emit_store(field, value), "pos = stop"]
    return [*lines, f"read_packed_int32(buf, pos, stop, {field.local})", "pos = stop"]


def _emit_length(stop: str, *, end: str) -> Lines:
    """Read the length; `pos` is then at the content and `stop` behind it, within `end`."""
    return [
        "size = buf[pos + 1]",
        "pos += 2",
        "if size > 0x7F:",
        f"    size, pos = read_length(buf, pos - 1, {end})",
        f"{stop} = pos + size",
        f"if {stop} > {end}:",
        f"    overrun(size, {end} - pos)",
    ]


def _emit_store(field: Field, value: str) -> Lines:
    if field.repeated:
        return [f"{field.local}.append({value})"]
    lines = [f"{field.local} = {value}"]
    if others := [local_name(name) for name in field.oneof if name != field.name]:
        lines.append(" = ".join([*others, "None"]))
    return lines


def _emit_entry(schema: Schema, field: Field, *, end: str) -> Lines:
    """Read a map entry, a message of its own: either part may be missing, twice, or unknown."""
    assert field.key is not None
    assert field.value is not None
    key = replace(field.key, name="map_key")
    # One variable for each type of value: a message may have maps of several.
    item = replace(field.value, name=f"map_{snake_case(field.value.scalar_type)}")
    stored = f"{item.class_name}() if {item.name} is None else {item.name}"
    return [
        *_emit_length("entry_end", end=end),
        f"{key.name} = {key.scalar_default}",
        f"{item.name} = {item.scalar_default}",
        "part = buf[pos] if pos < entry_end else 0",
        "while pos < entry_end:",
        *indent(_emit_branch(schema, key, tag="part", end="entry_end")),
        *indent(_emit_branch(schema, item, tag="part", end="entry_end")),
        "    if pos < entry_end and part not in ENTRY_TAGS:",
        "        part, pos = skip_unknown(buf, pos, entry_end, ENTRY_TAGS)",
        f"{field.local}[{key.name}] = {stored if item.kind == 'message' else item.name}",
    ]
