"""Progress of a run: steps, time left, and how much of the time went into waiting for data."""

from __future__ import annotations

import sys
import time
from typing import Any


class Progress:
    """A bar on a terminal, a line every few percent elsewhere.

    Args:
        total: Steps of the run.
        start: Steps already done.
        terminal: Whether to draw a bar; by default if standard output is a terminal.
        enabled: False for all processes but the first.
    """

    def __init__(self, total: int, start: int = 0, *, terminal: bool | None = None, enabled: bool = True) -> None:
        self.total, self.start, self.done = total, start, start
        self.enabled = enabled
        self.terminal = sys.stdout.isatty() if terminal is None else terminal
        self._begin = time.perf_counter()
        self._data = self._compute = 0.0
        self._next_line = start + self._lines_apart()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if self.enabled and self.terminal:
            from tqdm import tqdm

            self._bar = tqdm(total=self.total, initial=self.start, unit="step", dynamic_ncols=True, file=sys.stdout)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _lines_apart(self) -> int:
        return max(1, self.total // 40)

    def step(self, loss: float, lr: float, data_seconds: float, compute_seconds: float) -> None:
        """One more step is done."""
        self.done += 1
        self._data += data_seconds
        self._compute += compute_seconds
        if not self.enabled:
            return
        facts = f"loss {loss:.3f}, lr {lr:.1e}, data {self.data_share:.0%}"
        if self._bar is not None:
            self._bar.set_postfix_str(facts, refresh=False)
            self._bar.update()
        elif self.done >= self._next_line or self.done == self.total:
            self._next_line = self.done + self._lines_apart()
            print(
                f"step {self.done}/{self.total} ({self.done / self.total:.0%}), {facts}, {self.left()} left", flush=True
            )

    @property
    def data_share(self) -> float:
        """Share of the time spent waiting for data."""
        return self._data / max(1e-9, self._data + self._compute)

    def left(self) -> str:
        """Time left at the present pace, as h:mm:ss."""
        pace = (time.perf_counter() - self._begin) / max(1, self.done - self.start)
        seconds = round(pace * (self.total - self.done))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    def write(self, text: str) -> None:
        """Print without breaking the bar."""
        if not self.enabled:
            return
        if self._bar is not None:
            self._bar.write(text, file=sys.stdout)
        else:
            print(text, flush=True)
