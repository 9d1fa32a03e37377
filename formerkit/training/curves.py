"""Pictures of a run's metrics over its steps."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from formerkit.io import atomic_write
from formerkit.palette import BACKGROUND, COLOURS, FAINT, GRID, PANEL, TEXT, colour_of

_STROKES = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))  # lines and single points, when the colours begin again


@dataclass(frozen=True)
class Panel:
    """One diagram.

    Attributes:
        title: Shown above.
        names: The metrics to draw, and what each is called in the picture.
        smooth: Draw the running mean strong and the values faint.
        log: Logarithmic vertical axis.
        limits: Of the vertical axis; by default what the values need.
    """

    title: str
    names: Mapping[str, str]
    smooth: bool = False
    log: bool = False
    limits: tuple[float, float] | None = None


def draw_curves(rows: Iterable[tuple[int, str, float]], panels: Sequence[Panel], path: str | os.PathLike[str]) -> None:
    """Write a PNG with the panels side by side. Where one has several metrics, their last values stand in its legend.

    Args:
        rows: (step, name, value), as :meth:`formerkit.training.run.Run.rows` gives them.
        panels: From left to right; metrics that no row has are left out.
        path: The picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    series: dict[str, list[tuple[int, float]]] = {}
    for step, name, value in rows:
        series.setdefault(name, []).append((step, value))
    figure = Figure(figsize=(5.6 * len(panels), 3.8), dpi=120, facecolor=BACKGROUND, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        _style(axes, panel)
        axes.set_xlim(0, max((step for values in series.values() for step, _ in values), default=0) or 1)
        for i, (name, label) in enumerate(panel.names.items()):
            if name in series:
                steps, values = np.array(series[name], dtype=float).T
                _draw(axes, steps, values, label, i, panel)
        if len(panel.names) > 1 and axes.lines:
            # Beside the diagram: the last values stand on its right border.
            axes.legend(
                loc="upper left", bbox_to_anchor=(1.02, 1.02),
                facecolor=PANEL, edgecolor=GRID, labelcolor=TEXT, fontsize=9,
            )  # fmt: skip
    with atomic_write(Path(path)) as file:
        figure.savefig(file, format="png", facecolor=BACKGROUND)


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """[N] mean over a centred window of ``width`` values, narrower at the ends; what is not finite is left out."""
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    at = np.arange(len(values))
    low, high = np.maximum(at - width // 2, 0), np.minimum(at + width // 2 + 1, len(values))
    with np.errstate(invalid="ignore"):
        return (sums[high] - sums[low]) / (counts[high] - counts[low])


def _draw(axes: Any, steps: np.ndarray, values: np.ndarray, label: str, number: int, panel: Panel) -> None:
    colour = colour_of(number)
    dashes, point = _STROKES[number // len(COLOURS) % len(_STROKES)]
    label = f"{label}  {values[-1]:.4g}"
    if panel.smooth:
        axes.plot(steps, values, color=colour, alpha=0.3, linewidth=0.8)
        values = running_mean(values, max(1, len(values) // 20))
    marker = point if len(values) < 30 else None
    # Not clipped: the last point lies on the border.
    axes.plot(
        steps, values, color=colour, linewidth=2, linestyle=dashes, label=label, marker=marker, ms=4, clip_on=False
    )


def _style(axes: Any, panel: Panel) -> None:
    axes.set_facecolor(PANEL)
    axes.set_title(panel.title, color=TEXT, fontsize=11, loc="left")
    axes.set_xlabel("step", color=FAINT, fontsize=9)
    axes.grid(color=GRID, linewidth=0.6)
    axes.tick_params(colors=FAINT, labelsize=8, which="both")
    for side in axes.spines.values():
        side.set_color(GRID)
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_log_formatter())
        axes.yaxis.set_minor_formatter(_log_formatter())
    if panel.limits is not None:
        axes.set_ylim(panel.limits)


def _log_formatter() -> Any:
    """Plain numbers, between powers of ten only where there is room."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:g}" if super().__call__(x, pos) else ""

    return Plain(minor_thresholds=(1.5, 0.8))
