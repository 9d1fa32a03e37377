"""Bird's-eye pictures of frames: points, true boxes, detections."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from formerdata.boxes import bev_corners

from formerkit.io import atomic_write

BACKGROUND, GRID, TEXT = "#0e1117", "#2a313c", "#c9d1d9"
TRUE_COLOUR = "#f0f6fc"
CLASS_COLOURS = ("#ff9f1c", "#2ec4b6", "#e056fd", "#9ccc65", "#ef5350", "#42a5f5")


def draw_frame(
    path: str | os.PathLike[str],
    points: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    true_boxes: np.ndarray | None = None,
    title: str = "",
    limits: tuple[float, float, float, float] = (0.0, -40.0, 70.4, 40.0),
) -> None:
    """Write a PNG: the scene from above, the sensor at the bottom, ahead upwards.

    Args:
        path: The picture.
        points: [N, 3+] x, y, z. boxes: [K, 7] detections. scores: [K]. labels: [K], 1-based.
        class_names: Of the labels.
        true_boxes: [M, 7], or None if unknown.
        title: Shown above.
        limits: (x, y) lower, (x, y) upper, m.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    x0, y0, x1, y1 = limits
    # The class API keeps matplotlib's global state out of it.
    figure = Figure(figsize=(9.6, 9.6 * (x1 - x0) / (y1 - y0) + 0.9), dpi=110, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.05, 0.05, 0.9, 0.88), facecolor=BACKGROUND)
    _rings(axes, max(x1, -y0, y1))
    inside = (points[:, 0] > x0) & (points[:, 0] < x1) & (points[:, 1] > y0) & (points[:, 1] < y1)
    seen = points[inside]
    axes.scatter(-seen[:, 1], seen[:, 0], c=np.clip(seen[:, 2], -2.0, 1.0), s=0.5, cmap="viridis", linewidths=0)
    if true_boxes is not None:
        _outlines(axes, true_boxes, TRUE_COLOUR, 0.9, "dashed")
    used = []
    for label, name in enumerate(class_names, start=1):
        own = labels == label
        colour = CLASS_COLOURS[(label - 1) % len(CLASS_COLOURS)]
        used.append((colour, f"{name} ({int(own.sum())})"))
        _outlines(axes, boxes[own], colour, 1.6, "solid")
        for box, value in zip(boxes[own], scores[own], strict=True):
            axes.text(
                -box[1], box[0] + 0.5 * box[3] + 0.5, f"{value:.2f}",
                color=colour, fontsize=7, ha="center", va="bottom", clip_on=True,
            )  # fmt: skip
    _legend(axes, used, None if true_boxes is None else len(true_boxes))
    axes.plot(0, 0, marker="^", color=TEXT, markersize=8)
    axes.set_xlim(-y1, -y0)
    axes.set_ylim(x0 - 1.5, x1)
    axes.set_aspect("equal")
    axes.tick_params(colors=TEXT, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(GRID)
    axes.set_xlabel("right, m", color=TEXT, fontsize=8)
    axes.set_ylabel("ahead, m", color=TEXT, fontsize=8)
    figure.suptitle(title, color=TEXT, fontsize=11, y=0.975)
    with atomic_write(Path(path)) as file:
        figure.savefig(file, format="png", facecolor=BACKGROUND)


def _rings(axes: Any, reach: float) -> None:
    from matplotlib.patches import Circle

    for radius in range(10, int(reach * 1.3) + 1, 10):
        axes.add_patch(Circle((0, 0), radius, fill=False, color=GRID, linewidth=0.7))
        axes.text(0, radius, f"{radius} m", color="#6e7681", fontsize=7, ha="center", va="center", clip_on=True)


def _outlines(axes: Any, boxes: np.ndarray, colour: str, width: float, style: str) -> None:
    """Ground plans, with a tick from the centre to the front."""
    from matplotlib.collections import LineCollection

    if len(boxes) == 0:
        return
    corners = bev_corners(boxes)
    loops = np.concatenate([corners, corners[:, :1]], axis=1)
    front = corners[:, :2].mean(1)
    ticks = np.stack([boxes[:, :2], front], axis=1)
    lines = [np.column_stack([-line[:, 1], line[:, 0]]) for line in (*loops, *ticks)]
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, linestyles=style))


def _legend(axes: Any, used: list[tuple[str, str]], num_true: int | None) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, linewidth=2, label=text) for colour, text in used]
    if num_true is not None:
        handles.append(Line2D([], [], color=TRUE_COLOUR, linestyle="dashed", label=f"labelled ({num_true})"))
    legend = axes.legend(handles=handles, loc="upper right", fontsize=8, facecolor=BACKGROUND, edgecolor=GRID)
    for text in legend.get_texts():
        text.set_color(TEXT)
