"""Progress of work over many files."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

PAUSE = 10.0
"""Seconds between two lines in a log."""


def progress_bar(items: Iterable[T], total: int, what: str, unit: str, *, show: bool = True) -> Iterator[T]:
    """The items, with a bar on a terminal and a line every ten seconds elsewhere (a log file), on standard error."""
    if show and sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, what, total, unit=unit, dynamic_ncols=True)
    elif show:
        yield from _lines(items, total, what, unit)
    else:
        yield from items


def _lines(items: Iterable[T], total: int, what: str, unit: str) -> Iterator[T]:
    """Work that takes less than a pause says nothing."""
    begin = said = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - said >= PAUSE or (said > begin and done == total):
            said = now
            left = (now - begin) / done * (total - done)
            print(f"{what}: {done} of {total} {unit}s, {left:.0f} s left", file=sys.stderr, flush=True)
