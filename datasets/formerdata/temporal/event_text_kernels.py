"""Compiled reading of chosen columns out of lines of numbers."""

from __future__ import annotations

import numba
import numpy as np

from formerdata.ogb.csv_kernels import EXACT, LARGEST, LOWER_E, POINT, POWERS, UPPER_E
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

RAGGED, NOT_WHOLE, TOO_LARGE = 1, 2, 3
"""Why a line is refused."""


@numba.njit(cache=True, nogil=True)
def table_lines(text, to, whole, decimal, odd):
    """Read lines; blank ones and those that begin with # or % are left out.

    Columns are separated by a comma, a semicolon, or blanks.

    Args:
        text: [T] uint8, ends with a newline. to: [columns] int64, where each column goes: below 0 nowhere, then columns
            of ``whole`` [lines, W] int64, then those of ``decimal`` [lines, D] float64.
        odd: [lines * D, 4] int64, written: row, column, start and stop of the cells that need more care (many digits,
            large exponents, words); their place in ``decimal`` is left as it is.

    Returns:
        Lines read, odd cells, where the first bad line begins or -1, why it is bad, and its column.
    """
    place, row, left, end, wholes = 0, 0, 0, len(text), whole.shape[1]
    while place < end:
        begin, column = past_blanks(text, place), 0
        place = past_void(text, begin)
        if place > begin:
            continue
        while True:
            start = place
            while not (is_blank(text[place]) or separates(text[place]) or text[place] == NEWLINE):
                place += 1
            if column == len(to):
                return row, left, begin, RAGGED, column
            goes = to[column]
            if 0 <= goes < wholes:
                why, value = _whole(text, start, place)
                if why:
                    return row, left, begin, why, column
                whole[row, goes] = value
            elif goes >= wholes:
                settled, number = _decimal(text, start, place)
                if settled:
                    decimal[row, goes - wholes] = number
                else:
                    odd[left, 0], odd[left, 1], odd[left, 2], odd[left, 3] = row, column, start, place
                    left += 1
            column += 1
            place = past_blanks(text, place)
            if text[place] == NEWLINE:
                break
            place = next_cell(text, place)
        place += 1
        if column != len(to):
            return row, left, begin, RAGGED, column
        row += 1
    return row, left, -1, 0, 0


@numba.njit(cache=True, nogil=True)
def _whole(text, start, stop):
    """Why a cell is no whole number below 2 ** 63 in size, or 0; and the number. ``3.0`` counts as whole."""
    place, value = start, np.int64(0)
    if place < stop and (text[place] == MINUS or text[place] == PLUS):
        place += 1
    first = place
    while place < stop and ZERO <= text[place] <= NINE:
        digit = np.int64(text[place] - ZERO)
        if value > (LARGEST - digit) // 10:
            return TOO_LARGE, value
        value = value * 10 + digit
        place += 1
    if place == stop and place > first:
        return 0, -value if text[start] == MINUS else value
    settled, number = _decimal(text, start, stop)
    if not settled or abs(number) > EXACT or number != np.floor(number):
        return NOT_WHOLE, value
    return 0, np.int64(number)


@numba.njit(cache=True, nogil=True)
def _decimal(text, start, stop):
    """Whether the nearest float64 of a cell could be told at once; and that number."""
    place, value, digits, exponent, point = start, np.int64(0), 0, 0, False
    if place < stop and (text[place] == MINUS or text[place] == PLUS):
        place += 1
    while place < stop and (ZERO <= text[place] <= NINE or (text[place] == POINT and not point)):
        if text[place] == POINT:
            point = True
        else:
            if value > EXACT:
                return False, 0.0
            value = value * 10 + np.int64(text[place] - ZERO)
            digits += 1
            exponent -= 1 if point else 0
        place += 1
    if digits == 0:
        return False, 0.0
    if place < stop and (text[place] == LOWER_E or text[place] == UPPER_E):
        place += 1
        below = place < stop and text[place] == MINUS
        if below or (place < stop and text[place] == PLUS):
            place += 1
        power, first = 0, place
        while place < stop and ZERO <= text[place] <= NINE:
            power = min(power * 10 + np.int64(text[place] - ZERO), 10_000)
            place += 1
        if place == first:
            return False, 0.0
        exponent += -power if below else power
    # One rounding only: digits and power are both exact, so the product or quotient is the nearest number.
    if place < stop or value > EXACT or not -22 <= exponent <= 22:
        return False, 0.0
    size = value * POWERS[exponent] if exponent >= 0 else value / POWERS[-exponent]
    return True, -size if text[start] == MINUS else size
