"""Pairs of name patterns, read both ways: what one model calls an entry of its state dict, and what another calls it.

A pattern is a name with places in braces. ``{i}`` is a number; ``{i+1}`` or ``{3n+2}`` is one that stands for ``i`` or
``n`` on the other side; ``{word}`` is a part without dots and the same on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLACE = re.compile(r"\{(?:(?P<word>[a-z]{2,})|(?P<factor>\d*)(?P<number>[a-z])(?:\+(?P<offset>\d+))?)\}")


class _Pattern:
    """A name with places."""

    def __init__(self, text: str) -> None:
        self.places: list[tuple[str, int, int]] = []  # of a word the factor is 0
        self.texts: list[str] = []
        expression, end = "", 0
        for match in _PLACE.finditer(text):
            self.texts.append(text[end : match.start()])
            expression += re.escape(self.texts[-1])
            if match["word"]:
                self.places.append((match["word"], 0, 0))
                expression += r"([^.]+)"
            else:
                self.places.append((match["number"], int(match["factor"] or 1), int(match["offset"] or 0)))
                expression += r"(0|[1-9]\d*)"
            end = match.end()
        self.texts.append(text[end:])
        if len({place for place, *_ in self.places}) < len(self.places):
            raise ValueError(f"a place stands twice in {text!r}")
        self._expression = re.compile(expression + re.escape(self.texts[-1]), re.ASCII)

    def read(self, name: str) -> dict[str, int | str] | None:
        """What stands in the places, or None if the name is not of this pattern."""
        match = self._expression.fullmatch(name)
        if match is None:
            return None
        values: dict[str, int | str] = {}
        for (place, factor, offset), text in zip(self.places, match.groups(), strict=True):
            if not factor:
                values[place] = text
                continue
            value, rest = divmod(int(text) - offset, factor)
            if rest or value < 0:
                return None
            values[place] = value
        return values

    def write(self, values: dict[str, int | str]) -> str:
        name = self.texts[0]
        for (place, factor, offset), text in zip(self.places, self.texts[1:], strict=True):
            value = values[place]
            name += f"{value * factor + offset if isinstance(value, int) else value}{text}"
        return name


class NameRules:
    """A table of pattern pairs; of several that fit a name, the first is taken.

    Args:
        pairs: (pattern on the left, pattern on the right), with the same places.

    Raises:
        ValueError: If the places of a pair are not the same, or one stands twice.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = [(_Pattern(left), _Pattern(right)) for left, right in pairs]
        for left, right in self._pairs:
            if {place for place, *_ in left.places} != {place for place, *_ in right.places}:
                raise ValueError(f"places differ: {'...'.join(left.texts)} and {'...'.join(right.texts)}")

    def right(self, name: str) -> str:
        """The right-hand name of a left-hand one.

        Raises:
            KeyError: If no rule fits, or if the result would be read as another left-hand name.
        """
        return self._other(name, 0)

    def left(self, name: str) -> str:
        """The left-hand name of a right-hand one.

        Raises:
            KeyError: As :meth:`right`.
        """
        return self._other(name, 1)

    def _other(self, name: str, side: int) -> str:
        other = self._first(name, side)
        # A name that would not come back is none: two entries must never become one.
        if other is None or self._first(other, 1 - side) != name:
            raise KeyError(name)
        return other

    def _first(self, name: str, side: int) -> str | None:
        for pair in self._pairs:
            values = pair[side].read(name)
            if values is not None:
                return pair[1 - side].write(values)
        return None
