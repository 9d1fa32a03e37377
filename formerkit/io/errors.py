"""The error classes of the house. Every message names the place, the problem and what was expected."""

from __future__ import annotations

from functools import partial
from os import PathLike
from typing import Any


class FormerkitError(Exception):
    """Base of every error that Formerkit raises on purpose."""


class DataError(FormerkitError, ValueError):
    """A file or sample that cannot be used as it is.

    Args:
        path: File (or folder) at fault.
        problem: What is wrong, in words.
        field: Name of the column, key or array at fault.
        line: One-based line number in a text file.
        byte: Zero-based offset in a binary file.
        expected: What would have been right.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        problem: str,
        *,
        field: str | None = None,
        line: int | None = None,
        byte: int | None = None,
        expected: str | None = None,
    ) -> None:
        self.path, self.problem, self.field = str(path), problem, field
        self.line, self.byte, self.expected = line, byte, expected
        where = self.path
        if line is not None:
            where += f", line {line}"
        if byte is not None:
            where += f", byte {byte}"
        if field is not None:
            where += f", field '{field}'"
        super().__init__(f"{where}: {problem}" + (f"; expected {expected}" if expected else ""))

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled as its class and message: on the way out of a worker process it could not be rebuilt.
        place = {"field": self.field, "line": self.line, "byte": self.byte, "expected": self.expected}
        return partial(type(self), self.path, self.problem, **place), ()  # type: ignore[arg-type]


class CheckpointError(FormerkitError):
    """A checkpoint that is damaged, incomplete or of another model."""


class ConfigError(FormerkitError, ValueError):
    """A configuration that names an unknown key or holds an impossible value."""


class MissingExtraError(FormerkitError, ImportError):
    """An optional dependency is needed and absent; the message names the extra that brings it."""
