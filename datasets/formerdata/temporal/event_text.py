"""Events out of text files: one a line, in columns of numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from formerdata.ogb.csv_files import texts
from formerdata.text import filled_lines
from formerkit.io import DataError

TEXT = 1 << 22
"""Bytes of text that are read at once."""
_BETWEEN = re.compile(rb"[ \t\r]*[,;][ \t\r]*|[ \t\r]+")
_NUMBER = tuple(b"%c" % code for code in b"0123456789+-.")


@dataclass(frozen=True)
class EventText:
    """A file of lines with the same number of columns.

    Columns may be separated by commas, semicolons, tabs or spaces. Blank lines and those that begin with # or % do not
    count. A name that ends in ``.gz`` is unpacked on the way.

    Attributes:
        path: The file.
        header: Whether the first line that counts holds titles; None looks whether it begins like a number.
    """

    path: Path
    header: bool | None = None

    @cached_property
    def _top(self) -> tuple[list[str], int, int]:
        """Titles, the one-based line on which they stand (0 without), columns of the first line of numbers."""
        titles: list[str] = []
        before, line_of_titles = 0, 0
        for text in texts(self.path, TEXT):
            for number, line in filled_lines(text):
                cells = _BETWEEN.split(line)
                begins_like_one = line.startswith(_NUMBER)
                if titles or not (not begins_like_one if self.header is None else self.header):
                    return titles, line_of_titles, len(cells)
                line_of_titles = before + number
                try:
                    titles = [cell.decode("utf-8") for cell in cells]
                except UnicodeDecodeError:
                    raise DataError(
                        self.path, "not text", line=line_of_titles, expected="numbers, or titles in UTF-8"
                    ) from None
            before += text.count(b"\n")
        raise DataError(self.path, "no events", expected="at least one line of numbers")

    @property
    def titles(self) -> list[str]:
        """Of the columns; empty without a header.

        Raises:
            DataError: If the file is absent or damaged, or has no line of numbers.
        """
        return self._top[0]

    @property
    def columns(self) -> int:
        """Columns of the first line of numbers; raises as :attr:`titles`."""
        return self._top[2]

    def read(
        self, whole: Sequence[int], decimal: Sequence[int], features: Sequence[int], names: Sequence[str]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Chosen columns, [E, n] each: those of whole numbers, of others, and of others that float32 is enough for.

        Args:
            whole, decimal, features: Numbers of columns, from 0; none twice.
            names: Of all columns, for messages.

        Raises:
            DataError: On a bad line, which is named with its field: another number of columns, a cell that is no
                finite number, or none that is whole.
        """
        to = np.full(self.columns, -1)
        for place, column in enumerate((*whole, *decimal, *features)):
            to[column] = place
        parts = list(self._parts(to, len(whole), len(decimal), names))
        first, second, third = (np.concatenate(part) for part in zip(*parts, strict=True))
        return first, second, third

    def _parts(
        self, to: npt.NDArray, wholes: int, decimals: int, names: Sequence[str]
    ) -> Iterator[tuple[npt.NDArray, npt.NDArray, npt.NDArray]]:
        from formerdata.temporal.event_text_kernels import table_lines

        lines = 0
        for text in self._numbers():
            most, others = text.count(b"\n"), int((to >= wholes).sum())
            whole, decimal = np.empty((most, wholes), np.int64), np.empty((most, others))
            odd = np.empty((most * others, 4), np.int64)
            rows, left, bad, why, column = table_lines(np.frombuffer(text, np.uint8), to, whole, decimal, odd)
            for row, cell, start, stop in odd[:left].tolist():
                decimal[row, to[cell] - wholes] = self._one(text, start, stop, lines, names[cell])
            if bad >= 0:
                raise self._error(text, lines, int(bad), int(why), int(column), names)
            with np.errstate(over="ignore"):
                single = decimal[:rows, decimals:].astype(np.float32)
            yield whole[:rows], decimal[:rows, :decimals], single
            lines += most

    def _numbers(self) -> Iterator[bytes]:
        """The text in pieces; titles become a blank line, so that the count of lines is right."""
        titles_on, lines = self._top[1], 0
        for text in texts(self.path, TEXT):
            stop = lines + text.count(b"\n")
            if lines < titles_on <= stop:
                parts = text.split(b"\n", titles_on - lines)
                yield b"\n".join([*parts[: titles_on - lines - 1], b"", parts[-1]])
            else:
                yield text
            lines = stop

    def line_of(self, row: int) -> int | None:
        """The one-based line on which an event (counted from 0) stands."""
        lines, done = 0, 0
        for text in self._numbers():
            numbers = [number for number, _ in filled_lines(text)]
            if row < done + len(numbers):
                return lines + numbers[row - done]
            done += len(numbers)
            lines += text.count(b"\n")
        return None

    def times(self, values: npt.NDArray[np.float64]) -> Tensor:
        """The times, if none is below 0; raises DataError as :meth:`refuse`."""
        self.refuse(values < 0, "t", values, "times from 0 on")
        return torch.from_numpy(np.ascontiguousarray(values))

    def features(self, values: npt.NDArray[np.float32]) -> Tensor:
        """The features, if float32 can hold them; raises DataError as :meth:`refuse`."""
        for column in np.flatnonzero(~np.isfinite(values).all(0))[:1]:
            bad = ~np.isfinite(values[:, column])
            self.refuse(bad, f"feature {column}", values[:, column], "a number that float32 can hold")
        return torch.from_numpy(values)

    def refuse(self, bad: npt.NDArray[np.bool_], field: str, values: npt.NDArray, expected: str) -> None:
        """Raise DataError at the first event that is bad, if any is; its line is named."""
        if bad.any():
            row = int(bad.argmax())
            raise DataError(self.path, f"{values[row]}", line=self.line_of(row), field=field, expected=expected)

    def _one(self, text: bytes, start: int, stop: int, lines: int, name: str) -> float:
        """A cell that the kernel left."""
        word = text[start:stop].decode("utf-8", "replace")
        try:
            value = float(word.replace("_", "?"))
        except ValueError:
            value = float("nan")
        if isfinite(value):
            return value
        line = lines + text.count(b"\n", 0, start) + 1
        raise DataError(self.path, f"{word[:40]!r}", line=line, field=name, expected="a finite number")

    def _error(self, text: bytes, lines: int, bad: int, why: int, column: int, names: Sequence[str]) -> DataError:
        from formerdata.temporal.event_text_kernels import RAGGED, TOO_LARGE

        line = lines + text.count(b"\n", 0, bad) + 1
        words = text[bad : text.index(b"\n", bad)].strip()
        shown, cells = repr(words.decode("utf-8", "replace")[:60]), _BETWEEN.split(words)
        if why == RAGGED:
            return DataError(self.path, f"{shown} has {len(cells)} columns", line=line, expected=f"{self.columns}")
        cell = repr(cells[column].decode("utf-8", "replace")[:40])
        expected = "below 2 ** 63" if why == TOO_LARGE else "a whole number"
        return DataError(self.path, cell, line=line, field=names[column], expected=expected)


def event_text(path: str | os.PathLike[str], header: bool | None = None) -> EventText:
    """The file, not read yet."""
    return EventText(Path(path), header)
