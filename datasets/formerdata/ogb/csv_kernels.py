"""Compiled reading and writing of numbers in comma-separated text."""

from __future__ import annotations

import numba
import numpy as np

COMMA, NEWLINE, RETURN, MINUS, PLUS, POINT, ZERO, NINE = 44, 10, 13, 45, 43, 46, 48, 57
LOWER_E, UPPER_E = 101, 69
# Powers of ten that float64 holds exactly.
POWERS = np.array([10.0**power for power in range(23)])
EXACT = 1 << 53
LARGEST = (1 << 63) - 1


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
    """Fill ``out`` [cells] int64; returns False at the first cell that is no whole number below 2 ** 63 in size."""
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
            digit = np.int64(text[place] - ZERO)
            if value > (LARGEST - digit) // 10:
                return False
            value = value * 10 + digit
            place += 1
        if place == first:
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
def decimals(text, out, odd, single):
    """Fill ``out`` [cells] float64 with the nearest float64 of each cell; blank cells become NaN.

    With ``single`` the caller needs float32: a cell of many digits may then be off by some units in the last place of
    float64, if it rounds to the same float32. Cells that need more care (many digits, large exponents, words) are left
    for the caller: ``odd`` [cells, 3] gets their number, start and stop. Returns how many there are.
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
        digits, significant, exponent, value, cut = 0, 0, 0, np.int64(0), False
        point = False
        while ZERO <= text[place] <= NINE or (text[place] == POINT and not point):
            if text[place] == POINT:
                point = True
            else:
                digits += 1
                if significant < 18:  # further ones would not fit; they only count as zeros
                    value = value * 10 + np.int64(text[place] - ZERO)
                    significant += 1 if value > 0 else 0
                    exponent -= 1 if point else 0
                else:
                    cut = True
                    exponent += 0 if point else 1
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
        if sound and not cut and value <= EXACT and -22 <= exponent <= 22:
            size = value * POWERS[exponent] if exponent >= 0 else value / POWERS[-exponent]
            out[cell] = -size if negative else size
        elif sound and single and -44 <= exponent <= 22 and _settled(value, exponent):
            size = _near(value, exponent)
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


@numba.njit(cache=True, nogil=True)
def _near(value, exponent):
    """value * 10 ** exponent to a relative error below 2 ** -50: at most four roundings and the digits cut off."""
    if exponent >= 0:
        return value * POWERS[exponent]
    first = min(-exponent, 22)
    return value / POWERS[first] / POWERS[-exponent - first]


@numba.njit(cache=True, nogil=True)
def _settled(value, exponent):
    """Whether all numbers within that error round to the same float32."""
    near = _near(value, exponent)
    return np.float32(near * (1 - 2.0**-49)) == np.float32(near * (1 + 2.0**-49))


@numba.njit(cache=True, nogil=True)
def spell(table, out):
    """Write ``table`` [rows, columns] int64 as lines into ``out`` [bytes] uint8; returns how many bytes it took.

    A cell takes at most 21 bytes: sign, 19 digits, comma or newline.
    """
    place = 0
    digits = np.empty(20, np.uint8)
    for row in range(table.shape[0]):
        for column in range(table.shape[1]):
            value = table[row, column]
            if value < 0:
                out[place] = MINUS
                place += 1
            # The smallest int64 has no positive twin, so the digits are taken off the negative side.
            value = -value if value > 0 else value
            count = 0
            while True:
                tens = -(-value // 10) if value != np.iinfo(np.int64).min else np.int64(-922337203685477580)
                digits[count] = ZERO + (tens * 10 - value)
                count, value = count + 1, tens
                if value == 0:
                    break
            for digit in range(count - 1, -1, -1):
                out[place] = digits[digit]
                place += 1
            out[place] = NEWLINE if column == table.shape[1] - 1 else COMMA
            place += 1
    return place
