"""Checks of the columns of a component table: names and types."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from formerdata.waymo.schema import LASER, OBJECT, SEGMENT, Component
from formerkit.io import DataError


def present_columns(path: Path, schema: Any, component: Component) -> list[str]:
    """The columns of a component that an Arrow schema has, without the prefix.

    Raises:
        DataError: If it lacks one that is not optional, or has one of another type.
    """
    import pyarrow as pa

    for key in component.keys:
        _check_type(path, schema, key, _key_kind(pa, schema, key))
    present = []
    for short, kind in component.columns.items():
        name = component.column(short)
        if schema.get_field_index(name) >= 0 or short not in component.optional:
            _check_type(path, schema, name, kind)
            present.append(short)
    return present


def _key_kind(pa: ModuleType, schema: Any, key: str) -> str:
    if key in (SEGMENT, OBJECT):
        return "string"
    index = schema.get_field_index(key)
    named = key == LASER and index >= 0 and _is_string(pa, schema.field(index).type)
    return "string" if named else "int"


def _check_type(path: Path, schema: Any, name: str, kind: str) -> None:
    import pyarrow as pa

    index = schema.get_field_index(name)
    if index < 0:
        some = ", ".join(schema.names[:6]) + (", ..." if len(schema.names) > 6 else "")
        raise DataError(path, f"no such column (there are: {some})", field=name, expected=f"a column of type {kind}")
    found = inner = schema.field(index).type
    is_list = pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)
    if kind.endswith("s") and is_list:
        inner = found.value_type
    fits = {"string": _is_string(pa, inner), "int": pa.types.is_integer(inner), "float": pa.types.is_floating(inner)}
    if is_list != kind.endswith("s") or not fits[kind.rstrip("s")]:
        wanted = f"a list of {kind}" if kind.endswith("s") else kind
        raise DataError(path, f"a column of type {found}", field=name, expected=wanted)


def _is_string(pa: ModuleType, kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
