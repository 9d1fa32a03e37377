"""Reading a JSON file value by value: nuScenes' tables have up to 2.6 million records, over a gigabyte of text."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from formerkit.io import DataError

_BLOCK = 1 << 20
_LONGEST = 1 << 26  # of one value: what is longer is taken for damaged
_blank = re.compile(r"[ \t\n\r]*").match


class JsonStream:
    """The values of a file; in memory are one of them and a block of text.

    Args:
        path: UTF-8 text.

    Raises:
        DataError: If there is no such file. Methods raise it where the text is not JSON, or ends too early; the byte is
            named.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115 (closed by __exit__)
        except FileNotFoundError:
            raise DataError(path, "no such file", expected="a JSON file") from None
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._text, self._at, self._before, self._ended = "", 0, 0, False

    def __enter__(self) -> JsonStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            self._at = _blank(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def take(self, allowed: str) -> str:
        """The next character that is not blank, which must be one of ``allowed``."""
        found = self.peek()
        if not found or found not in allowed:
            raise self.error(f"{found!r}" if found else "the file ends", " or ".join(map(repr, allowed)))
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value, whatever it is."""
        self.peek()
        while True:
            try:
                found, end = self._scan(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if len(self._text) - self._at < _LONGEST and self._fill():
                    continue
                self._at = getattr(error, "pos", self._at)
                ends = self._ended and self._at >= len(self._text)
                raise self.error("the file ends" if ends else str(getattr(error, "msg", error)), "JSON") from None
            # A number that ends with the block may go on in the next, as 1e- does.
            if len(self._text) - end < 4 and self._fill():
                continue
            self._at = end
            return found

    def array(self) -> Iterator[Any]:
        """The elements of the array that comes next."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next; whoever asks takes each key's value before the next key."""
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            if self.peek() != '"':
                self.take('"')
            key = self.value()
            self.take(":")
            yield key
            if self.take(",}") == "}":
                return

    def error(self, problem: str, expected: str) -> DataError:
        """What to raise about the place that has been reached."""
        at = self._before + len(self._text[: self._at].encode())
        return DataError(self.path, problem, byte=at, expected=expected)

    def _fill(self) -> bool:
        """Let go of what has been taken, and read on: as much again as is left, so that long values cost no more."""
        block = self._file.read(max(_BLOCK, len(self._text) - self._at))
        try:
            more = self._decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise DataError(self.path, f"not text ({error.reason})", expected="UTF-8") from None
        if not block:
            self._ended = True
            return False
        self._before += len(self._text[: self._at].encode())
        self._text, self._at = self._text[self._at :] + more, 0
        return True
