"""What compiled readers of lines of numbers share: how cells are parted, and which lines do not count."""

from __future__ import annotations

import numba

NEWLINE, RETURN, TAB, SPACE, COMMA, SEMICOLON = 10, 13, 9, 32, 44, 59
HASH, PERCENT, MINUS, PLUS, ZERO, NINE = 35, 37, 45, 43, 48, 57


@numba.njit(cache=True, nogil=True)
def past_blanks(text, place):
    """The first place from ``place`` on that is no blank."""
    while is_blank(text[place]):
        place += 1
    return place


@numba.njit(cache=True, nogil=True)
def past_void(text, place):
    """Past the rest of a line that is blank or a comment (# or %); else ``place`` itself, where a cell begins."""
    if text[place] == HASH or text[place] == PERCENT:
        while text[place] != NEWLINE:
            place += 1
    return place + 1 if text[place] == NEWLINE else place


@numba.njit(cache=True, nogil=True)
def next_cell(text, place):
    """Past blanks and at most one comma or semicolon."""
    place = past_blanks(text, place)
    return past_blanks(text, place + 1) if separates(text[place]) else place


@numba.njit(cache=True, nogil=True)
def is_blank(code):
    """Blanks part cells, and may stand around what does."""
    return code in (SPACE, TAB, RETURN)


@numba.njit(cache=True, nogil=True)
def separates(code):
    """So do a comma and a semicolon, once."""
    return code in (COMMA, SEMICOLON)
