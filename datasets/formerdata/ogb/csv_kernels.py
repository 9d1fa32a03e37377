"""Compiled reading of numbers from comma-separated text."""

from __future__ import annotations

import numba
import numpy as np

COMMA, NEWLINE, RETURN, MINUS, PLUS, POINT, ZERO, NINE = 44, 10, 13, 45, 43, 46, 48, 57
LOWER_E, UPPER_E = 101, 69
# Powers of ten that float64 holds exactly.
POWERS = np.array([10.0**power for power in range(23)])
EXACT = 1 << 53


@numba.njit(cache=True, nogil=True)
def measure(text, columns):
    """Lines that are not blank, their number of columns, and where a line begins that has another number, or -1.

    ``columns`` is what earlier text had, 0 if there was none. ``text`` [T] uint8 ends with a newline.
    """
    rows, place, end = 0, 0, len(text)
    while place < end:
        start, found, filled = place, 1, False
        while text[place] != NEWLINE:
            filled |= text[place] != RETURN
            found += 1 if text[place] == COMMA else 0
            place += 1
        place += 1
        if not filled:
            continue
        if columns == 0:
            columns = found
        if found != columns:
            return rows, columns, start
        rows += 1
    return rows, columns, -1


@numba.njit(cache=True, nogil=True)
def whole_numbers(text, out):
    """Fill ``out`` [cells] int64; returns False at the first cell that is no whole number of up to 18 digits."""
    place, end, cell, fresh = 0, len(text), 0, True
    while place < end:
        if fresh and (text[place] == NEWLINE or text[place] == RETURN):
            place += 1
            continue
        negative = text[place] == MINUS
        if negative or text[place] == PLUS:
            place += 1
        value, first = np.int64(0), place
        while ZERO <= text[place] <= NINE:
            value = value * 10 + np.int64(text[place] - ZERO)
            place += 1
        if place == first or place - first > 18:
            return False
        if text[place] == RETURN and text[place + 1] == NEWLINE:
            place += 1
        if text[place] != COMMA and text[place] != NEWLINE:
            return False
        out[cell] = -value if negative else value
        cell += 1
        fresh = text[place] == NEWLINE
        place += 1
    return True


@numba.njit(cache=True, nogil=True)
def decimals(text, out, odd):
    """Fill ``out`` [cells] float64 with the nearest float64 of each cell; blank cells become NaN.

    Cells that need more care (many digits, large exponents, words) are left for the caller: ``odd`` [cells, 3] gets
    their number, start and stop. Returns how many there are.
    """
    place, end, cell, left, fresh = 0, len(text), 0, 0, True
    while place < end:
        if fresh and (text[place] == NEWLINE or text[place] == RETURN):
            place += 1
            continue
        start = place
        negative = text[place] == MINUS
        if negative or text[place] == PLUS:
            place += 1
        digits, significant, exponent, value = 0, 0, 0, np.int64(0)
        while ZERO <= text[place] <= NINE:
            value, digits = value * 10 + np.int64(text[place] - ZERO), digits + 1
            significant += 1 if value > 0 else 0
            place += 1
        if text[place] == POINT:
            place += 1
            while ZERO <= text[place] <= NINE:
                value, digits = value * 10 + np.int64(text[place] - ZERO), digits + 1
                significant += 1 if value > 0 else 0
                exponent -= 1
                place += 1
        sound = digits > 0
        if sound and (text[place] == LOWER_E or text[place] == UPPER_E):
            place += 1
            below = text[place] == MINUS
            if below or text[place] == PLUS:
                place += 1
            power, first = 0, place
            while ZERO <= text[place] <= NINE:
                power = min(power * 10 + np.int64(text[place] - ZERO), 10_000)
                place += 1
            sound = place > first
            exponent += -power if below else power
        stop = place
        while text[place] != COMMA and text[place] != NEWLINE:
            if text[place] != RETURN or text[place + 1] != NEWLINE:
                sound, stop = False, place + 1
            place += 1
        # One rounding only: digits and power are both exact, so the product or quotient is the nearest number.
        if sound and significant <= 17 and value <= EXACT and -22 <= exponent <= 22:
            size = value * POWERS[exponent] if exponent >= 0 else value / POWERS[-exponent]
            out[cell] = -size if negative else size
        elif stop == start:
            out[cell] = np.nan
        else:
            odd[left, 0], odd[left, 1], odd[left, 2] = cell, start, stop
            left += 1
        cell += 1
        fresh = text[place] == NEWLINE
        place += 1
    return left
