"""The table of a sweep: rows of tokens and encoders, columns of tasks; as text, as JSON, and as a heat map."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from formerkit.io import atomic_write

_DPI = 150


@dataclass(frozen=True)
class Cell:
    """What one pair of tokens and encoder reached on one task.

    Attributes:
        task, tokens, encoder: Names.
        metric: Of the scores. higher_is_better: Of it.
        scores: Of the test part, one of each seed, as the metric's tables show them (percent, or as they are).
        parameters: Of the model, 0 if no run came to an end.
        failed: Runs that came apart: a loss or predictions that are not finite.
    """

    task: str
    tokens: str
    encoder: str
    metric: str
    higher_is_better: bool
    scores: tuple[float, ...]
    parameters: int
    failed: int = 0

    @staticmethod
    def of(task: str, tokens: str, encoder: str, results: Sequence[dict[str, Any]], failed: int = 0) -> Cell:
        """Of what ``result.json`` of each seed says."""
        if not results:
            return Cell(task, tokens, encoder, "", True, (), 0, failed)
        first = results[0]
        return Cell(
            task, tokens, encoder, first["metric"], first["higher_is_better"],
            tuple(result["test"] * first["scale"] for result in results), first["parameters"], failed,
        )  # fmt: skip

    @property
    def mean(self) -> float:
        return statistics.mean(self.scores) if self.scores else math.nan

    @property
    def shown(self) -> str:
        """Mean and unbiased deviation, and how many runs came apart."""
        if not self.scores:
            return "came apart"
        digits = 1 if self.metric != "RMSE" else 2
        deviation = f" ± {statistics.stdev(self.scores):.{digits}f}" if len(self.scores) > 1 else ""
        apart = f" ({self.failed} of {self.failed + len(self.scores)} came apart)" if self.failed else ""
        return f"{self.mean:.{digits}f}{deviation}{apart}"


def write(cells: Sequence[Cell], folder: Path) -> None:
    """Write ``table.json``, ``table.md`` and ``table.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "table.json", "w") as file:
        file.write(
            json.dumps([asdict(cell) | {"mean": cell.mean if cell.scores else None} for cell in cells], indent=1) + "\n"
        )
    with atomic_write(folder / "table.md", "w") as file:
        file.write(as_markdown(cells))
    draw(cells, folder / "table.png")


def as_markdown(cells: Sequence[Cell]) -> str:
    """A row for each pair of tokens and encoder; of each task the best mean is bold."""
    tasks, rows = _names(cells)
    at = {(cell.encoder, cell.tokens, cell.task): cell for cell in cells}
    best = {task: _best([cell for cell in cells if cell.task == task]) for task in tasks}
    heads = [f"{task} ({_head(task, cells)})" for task in tasks]
    lines = [f"| encoder | tokens | {' | '.join(heads)} |", f"|{'---|' * (2 + len(tasks))}"]
    for encoder, tokens in rows:
        row = [at.get((encoder, tokens, task)) for task in tasks]
        words = ["" if cell is None else f"**{cell.shown}**" if cell == best[cell.task] else cell.shown for cell in row]
        lines.append(f"| {encoder} | {tokens} | {' | '.join(words)} |")
    return "\n".join(lines) + "\n"


def draw(cells: Sequence[Cell], path: Path) -> None:
    """The same as a picture: of each column the best cell is darkest, the worst is white."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tasks, rows = _names(cells)
    # The class API keeps matplotlib's global state out of it.
    figure = Figure(figsize=(2.6 + 1.25 * len(tasks), 1.3 + 0.32 * len(rows)), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shades = [[float("nan")] * len(tasks) for _ in rows]
    for cell in cells:
        shades[rows.index((cell.encoder, cell.tokens))][tasks.index(cell.task)] = _shade(cell, cells)
    axes.imshow(shades, cmap="YlGnBu", vmin=0, vmax=1.25, aspect="auto")
    for cell in cells:
        x, y = tasks.index(cell.task), rows.index((cell.encoder, cell.tokens))
        words, colour = cell.shown.replace(" (", "\n("), "white" if shades[y][x] > 0.8 else "black"
        axes.text(x, y, words, ha="center", va="center", fontsize=6 if "\n" in words else 8, color=colour)
    heads = [f"{task}\n{_head(task, cells)}" for task in tasks]
    axes.set_xticks(range(len(tasks)), heads, fontsize=9)
    axes.set_yticks(range(len(rows)), [f"{encoder}: {tokens}" for encoder, tokens in rows], fontsize=9)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for place in range(1, len(rows)):
        if rows[place][0] != rows[place - 1][0]:
            axes.axhline(place - 0.5, color="black", linewidth=1)
    axes.set_xlabel("test scores; of each column the best is darkest", fontsize=8)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")


def _names(cells: Sequence[Cell]) -> tuple[list[str], list[tuple[str, str]]]:
    """Tasks, and encoders with tokens, in the order in which they come; rows of one encoder together."""
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    encoders = list(dict.fromkeys(cell.encoder for cell in cells))
    tokens = list(dict.fromkeys(cell.tokens for cell in cells))
    there = {(cell.encoder, cell.tokens) for cell in cells}
    return tasks, [(encoder, one) for encoder in encoders for one in tokens if (encoder, one) in there]


def _best(cells: Sequence[Cell]) -> Cell | None:
    scored = [cell for cell in cells if cell.scores]
    return max(scored, key=lambda cell: cell.mean if cell.higher_is_better else -cell.mean) if scored else None


def _head(task: str, cells: Sequence[Cell]) -> str:
    """The metric of a task; none if all its runs came apart."""
    return next((cell.metric for cell in cells if cell.task == task and cell.metric), "no score")


def _shade(cell: Cell, cells: Sequence[Cell]) -> float:
    """0 for the worst mean of its column, 1 for the best, NaN without one."""
    if not cell.scores:
        return math.nan
    column = [one.mean for one in cells if one.task == cell.task and one.scores]
    low, high = min(column), max(column)
    share = 1.0 if high == low else (cell.mean - low) / (high - low)
    return share if cell.higher_is_better or high == low else 1 - share
