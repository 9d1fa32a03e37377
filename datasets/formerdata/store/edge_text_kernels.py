"""Compiled reading of edges from text: two whole numbers at the beginning of each line."""

from __future__ import annotations

import numba
import numpy as np

from formerdata.text_kernels import (
    MINUS,
    NEWLINE,
    NINE,
    PLUS,
    ZERO,
    is_blank,
    next_cell,
    past_blanks,
    past_void,
    separates,
)

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
        cell = past_blanks(text, place)
        place = past_void(text, cell)
        if place > cell:
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
            after, place = place, next_cell(text, place)
            if text[place] != NEWLINE and place == after:
                return count, columns, start, NOT_TWO
            if side == 0 and text[place] == NEWLINE:
                return count, columns, start, NOT_TWO
        found = 2
        while text[place] != NEWLINE:
            found += 1
            while not (is_blank(text[place]) or separates(text[place]) or text[place] == NEWLINE):
                place += 1
            place = next_cell(text, place)
        place += 1
        if columns == 0:
            columns = found
        if found != columns:
            return count, columns, start, RAGGED
        count += 1
    return count, columns, -1, 0
