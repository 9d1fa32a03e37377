"""Protocol buffers' wire format, as much of it as Waymo's files use: a checked reader and a writer.

A message is a row of fields, each a varint ``number << 3 | wire type`` and a value: a varint (wire type 0), 8 bytes
(1), a length and as many bytes (2) or 4 bytes (5). Source: the public description of the encoding,
protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from formerkit.io import DataError

Kind = Literal["int", "bool", "float", "double", "ints", "floats", "doubles", "text", "bytes", "message"]
"""What a field holds. ``int`` is any of int32, int64 and enumerations; the plurals repeat, packed or one by one."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIRE_OF_KIND = {
    "int": _VARINT, "ints": _VARINT, "bool": _VARINT, "float": _FIXED32, "floats": _FIXED32, "double": _FIXED64,
    "doubles": _FIXED64, "text": _BYTES, "bytes": _BYTES, "message": _BYTES,
}  # fmt: skip
_REPEATED = ("ints", "floats", "doubles")
_WIRE_NAMES = {_VARINT: "a varint", _FIXED64: "8 bytes", _BYTES: "a length and bytes", _FIXED32: "4 bytes"}
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
Schema = Mapping[int, tuple[str, Kind]]
"""Number of a field to its name and kind; other numbers are skipped."""


@dataclass(frozen=True)
class Span:
    """Bytes ``start`` to ``stop`` of ``data``, which hold one message; ``source`` is named in errors."""

    data: bytes
    start: int
    stop: int
    source: str | os.PathLike[str]


def fields(span: Span, schema: Schema, message: str) -> Iterator[tuple[str, Any]]:
    """Name and value of each field that the schema knows, in file order; a field may come again.

    Values are int, bool, float, str, bytes, a list of float (``doubles``), an array of float32 or int64 (``floats``,
    ``ints``) or a :class:`Span` (``message``). A repeated field may come in several pieces.

    Args:
        span: Where the message is.
        schema: Its fields.
        message: Its name, for errors.

    Raises:
        DataError: If a field ends behind the message, has another wire type than its kind, a wire type that does not
            exist or is no longer used (groups), the number 0, a varint of more than 64 bits or a text that is not
            UTF-8. The message names field and byte.
    """
    at = span.start
    while at < span.stop:
        begin = at
        key, at = _varint(span, at, message)
        number, wire = key >> 3, key & 7
        name, kind = schema.get(number, (None, None))
        field = f"{message}.{name or number}"
        if number == 0:
            raise DataError(span.source, "a field with the number 0", byte=begin, field=message, expected="1 or more")
        if wire == _VARINT:
            value, at = _varint(span, at, field)
            value_end = at
        elif wire in (_FIXED64, _FIXED32):
            value, value_end = at, at + (8 if wire == _FIXED64 else 4)
        elif wire == _BYTES:
            length, value = _varint(span, at, field)
            value_end = value + length
        else:
            raise DataError(span.source, f"wire type {wire}", byte=begin, field=field, expected="0, 1, 2 or 5")
        if value_end > span.stop:
            raise DataError(
                span.source, f"the field ends at byte {value_end}, what holds it at byte {span.stop}",
                byte=begin, field=field, expected="a complete file",
            )  # fmt: skip
        at = value_end
        if kind is None or name is None:
            continue
        if wire != _WIRE_OF_KIND[kind] and not (kind in _REPEATED and wire == _BYTES):
            raise DataError(
                span.source, _WIRE_NAMES[wire], byte=begin, field=field, expected=_WIRE_NAMES[_WIRE_OF_KIND[kind]]
            )
        yield name, _value(span, kind, wire, value, value_end, field)


def _value(span: Span, kind: Kind, wire: int, value: int, end: int, field: str) -> Any:
    """The value of a field; ``value`` is a varint itself, of other fields the byte where their value begins."""
    if kind == "int":
        return _signed(value)
    if kind == "bool":
        return value != 0
    if kind == "double":
        return _DOUBLE.unpack_from(span.data, value)[0]
    if kind == "float":
        return _FLOAT.unpack_from(span.data, value)[0]
    if kind == "message":
        return Span(span.data, value, end, span.source)
    if kind == "bytes":
        return span.data[value:end]
    if kind == "ints":
        return _integers(span, value, end, field) if wire == _BYTES else np.array([_signed(value)])
    if kind == "text":
        try:
            return span.data[value:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                span.source, "bytes that are no text", byte=value + error.start, field=field, expected="UTF-8"
            ) from None
    size = 4 if kind == "floats" else 8
    if (end - value) % size:
        raise DataError(span.source, f"{end - value} bytes", byte=value, field=field, expected=f"a multiple of {size}")
    if kind == "floats":
        return np.frombuffer(span.data, "<f4", (end - value) // 4, value).astype(np.float32)
    return list(struct.unpack_from(f"<{(end - value) // 8}d", span.data, value))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _integers(span: Span, start: int, stop: int, field: str) -> np.ndarray:
    """[N] int64 of packed varints, all at once: labels of points are some hundred thousand of them."""
    content = np.frombuffer(span.data, np.uint8, stop - start, start)
    last = np.flatnonzero(content < 0x80)
    if len(content) and (not len(last) or last[-1] != len(content) - 1):
        raise DataError(
            span.source, f"the field ends at byte {stop}, within a number", byte=start, field=field,
            expected="complete varints",
        )  # fmt: skip
    first = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    place = np.arange(len(content)) - np.repeat(first, last + 1 - first)
    if (place >= 10).any():
        raise DataError(span.source, "a number of more than 64 bits", byte=start, field=field, expected="a varint")
    shifted = (content & np.uint8(0x7F)).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.add.reduceat(shifted, first).astype(np.int64) if len(first) else np.zeros(0, np.int64)


def _varint(span: Span, at: int, field: str) -> tuple[int, int]:
    """A varint that begins at byte ``at``, and the byte behind it."""
    value = shift = 0
    for place in range(at, min(at + 10, span.stop)):
        byte = span.data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, place + 1
        shift += 7
    if at + 10 > span.stop and all(byte >= 0x80 for byte in span.data[at : span.stop]):
        raise DataError(
            span.source, f"the message ends at byte {span.stop}, within a number", byte=at, field=field,
            expected="a complete file",
        )  # fmt: skip
    raise DataError(span.source, "a number of more than 64 bits", byte=at, field=field, expected="a varint")


def varint(value: int) -> bytes:
    """The bytes of a whole number; a negative one counts from 2**64, as the format wants it."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, kind: Kind, value: Any) -> bytes:
    """The bytes of a field; ``value`` as :func:`fields` gives it, of a message its bytes."""
    if kind in ("ints", "doubles"):
        one_by_one: Kind = "int" if kind == "ints" else "double"
        return b"".join(field(number, one_by_one, one) for one in value)
    if kind == "floats":  # packed, as in Waymo's images
        return field(number, "bytes", np.ascontiguousarray(value, dtype="<f4").tobytes())
    key = varint(number << 3 | _WIRE_OF_KIND[kind])
    if kind in ("int", "bool"):
        return key + varint(int(value))
    if kind == "double":
        return key + _DOUBLE.pack(value)
    if kind == "float":
        return key + _FLOAT.pack(value)
    content = value.encode("utf-8") if kind == "text" else value
    return key + varint(len(content)) + content
