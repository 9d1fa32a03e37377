"""Compiled reading of edges from text: two whole numbers at the beginning of each line."""

from __future__ import annotations

import numba
import numpy as np

NEWLINE, RETURN, TAB, SPACE, COMMA, SEMICOLON = 10, 13, 9, 32, 44, 59
HASH, PERCENT, MINUS, PLUS, ZERO, NINE = 35, 37, 45, 43, 48, 57
LARGEST = (1 << 63) - 1
NOT_TWO, TOO_LARGE, RAGGED = 1, 2, 3
"""Why a line is refused."""


@numba.njit(cache=True, nogil=True)
def edge_lines(text, columns, out):
    """Read lines into ``out`` [2, lines] int64; blank lines and those that begin with # or % are left out.

    Columns are separated by a comma, a semicolon, or blanks; those after the second are counted, not read.

    Args:
        text: [T] uint8, ends with a newline. columns: Of the lines before, 0 if there were none.

    Returns:
        Edges read, columns of each line, where the first bad line begins or -1, and why it is bad.
    """
    place, count, end = 0, 0, len(text)
    while place < end:
        start = place
        while _blank(text[place]):
            place += 1
        if text[place] == NEWLINE:
            place += 1
            continue
        if text[place] == HASH or text[place] == PERCENT:
            while text[place] != NEWLINE:
                place += 1
            place += 1
            continue
        for side in range(2):
            negative = text[place] == MINUS
            if negative or text[place] == PLUS:
                place += 1
            value, first = np.int64(0), place
            while ZERO <= text[place] <= NINE:
                digit = np.int64(text[place] - ZERO)
                if value > (LARGEST - digit) // 10:
                    return count, columns, start, TOO_LARGE
                value = value * 10 + digit
                place += 1
            if place == first:
                return count, columns, start, NOT_TWO
            out[side, count] = -value if negative else value
            after, place = place, _next_cell(text, place)
            if text[place] != NEWLINE and place == after:
                return count, columns, start, NOT_TWO
            if side == 0 and text[place] == NEWLINE:
                return count, columns, start, NOT_TWO
        found = 2
        while text[place] != NEWLINE:
            found += 1
            while not (_blank(text[place]) or _separates(text[place]) or text[place] == NEWLINE):
                place += 1
            place = _next_cell(text, place)
        place += 1
        if columns == 0:
            columns = found
        if found != columns:
            return count, columns, start, RAGGED
        count += 1
    return count, columns, -1, 0


@numba.njit(cache=True, nogil=True)
def _next_cell(text, place):
    """Past blanks and at most one comma or semicolon."""
    while _blank(text[place]):
        place += 1
    if _separates(text[place]):
        place += 1
        while _blank(text[place]):
            place += 1
    return place


@numba.njit(cache=True, nogil=True)
def _blank(code):
    return code in (SPACE, TAB, RETURN)


@numba.njit(cache=True, nogil=True)
def _separates(code):
    return code in (COMMA, SEMICOLON)
