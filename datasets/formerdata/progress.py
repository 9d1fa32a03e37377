"""Progress of work over many files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress_bar(items: Iterable[T], total: int, what: str, unit: str, *, show: bool = True) -> Iterator[T]:
    """The items, with a bar on a terminal and a line every ten seconds elsewhere (a log file), on standard error."""
    from tqdm import tqdm

    pause = 0.1 if sys.stderr.isatty() else 10.0
    yield from tqdm(items, what, total, disable=not show, unit=unit, mininterval=pause, dynamic_ncols=True)
