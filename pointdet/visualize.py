"""Bird's-eye pictures of frames: points, true boxes, detections."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from formerdata.boxes import bev_corners

from formerkit.io import atomic_write
from formerkit.palette import BACKGROUND, COLOURS, FAINT, GRID, PANEL, TEXT, colour_of

if TYPE_CHECKING:
    from formerdata.detection import Sample

    from pointdet.boxes.detections import Detections
    from pointdet.sources import Source

TRUE_COLOUR = "#f4f7fa"
# Points in cool greys, dark to light with height: the boxes own the colours.
HEIGHT_COLOURS = ("#33465c", "#4d7299", "#86b4d8", "#e8f1f8")
HEIGHTS = (-0.27, 2.73)
"""Heights (m, over the ground) of the first and the last of these colours: from the road to above a van."""
KITTI_GROUND = -1.73
"""Of the road below KITTI's sensor, m."""
OTHER_COLOUR = "#1f2933"

MOST = 100
"""Detections in a picture: early in training there are hundreds, under which nothing could be seen."""

_CELL = 0.05
_DASHES = (0, (3, 2))
_INCHES, _DPI = 9.6, 120


def draw_frame(
    path: str | os.PathLike[str],
    points: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    true_boxes: np.ndarray | None = None,
    other_points: np.ndarray | None = None,
    title: str = "",
    limits: tuple[float, float, float, float] = (0.0, -40.0, 70.4, 40.0),
    ground: float = KITTI_GROUND,
    axes: tuple[str, str] = ("right", "ahead"),
) -> None:
    """Write a PNG: the scene from above, x upwards.

    Detections are solid outlines in the colour of their class, fainter where the score is low, with an arrow to the
    front and the score; true boxes are pale areas with dashed edges. Of many classes only those that are there get a
    colour and stand in the legend.

    Args:
        path: The picture.
        points: [N, 3+] x, y, z, m, LiDAR frame. boxes: [K, 7] detections. scores: [K]. labels: [K], 1-based.
        class_names: Of the labels.
        true_boxes: [M, 7], or None if unknown.
        other_points: [P, 3+] points that the detector did not see (outside the camera's view); drawn faintly.
        title: Shown above, before the counts.
        limits: (x, y) lower, (x, y) upper, m.
        ground: Height of the ground, m; points are lighter the higher over it they are.
        axes: Where -y and x point.

    Raises:
        ValueError: If boxes, scores and labels do not agree.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if boxes.shape != (len(scores), 7) or labels.shape != scores.shape:
        shapes = f"{boxes.shape}, {scores.shape}, {labels.shape}"
        raise ValueError(f"draw_frame: expected boxes [K, 7], scores [K] and labels [K], got {shapes}")
    x0, y0, x1, y1 = limits
    # The class API keeps matplotlib's global state out of it.
    figure = Figure(figsize=(_INCHES, 0.9 * _INCHES * (x1 - x0 + 2) / (y1 - y0) + 1.1), dpi=_DPI, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    height = figure.get_figheight()
    plot = figure.add_axes((0.06, 0.5 / height, 0.9, 1 - 1.1 / height), facecolor=PANEL)
    picture = _raster(points, other_points, limits, ground)
    plot.imshow(picture, extent=(-y1, -y0, x0, x1), origin="lower", interpolation="antialiased")
    _rings(plot, limits)
    if true_boxes is not None:
        _areas(plot, true_boxes)
    colour_of_label = _class_colours(class_names, labels)
    if len(boxes):
        colours = _faded([colour_of_label[label] for label in labels.tolist()], scores)
        _outlines(plot, boxes, colours)
        metres_a_point = (y1 - y0) / (0.9 * _INCHES * 72)
        _scores(plot, boxes, scores, colours, metres_a_point)
    _legend(plot, class_names, labels, colour_of_label, true_boxes)
    _sensor(plot)
    _frame(plot, limits, axes)
    counts = [f"{len(points):,} points", f"{len(boxes)} detections"]
    counts += [] if true_boxes is None else [f"{len(true_boxes)} labelled"]
    size = 13 * min(1, 42 / max(1, len(title)))  # a long name must not run into the counts
    figure.text(0.06, 1 - 0.26 / height, title, color=TEXT, fontsize=size, weight="bold", va="center")
    figure.text(0.96, 1 - 0.26 / height, "  ·  ".join(counts), color=FAINT, fontsize=9.5, va="center", ha="right")
    with atomic_write(Path(path)) as file:
        figure.savefig(file, format="png", facecolor=BACKGROUND)


def draw_detections(
    path: str | os.PathLike[str], source: Source, sample: Sample, found: Detections, *, title: str = ""
) -> None:
    """Write the picture of a frame's detections beside its labels, if it has any; of many the best :data:`MOST`.

    Args:
        path: The picture.
        source: Whose frame it is. sample: The frame.
        found: On the CPU, best first.
        title: Shown above.

    Raises:
        ValueError: See :func:`draw_frame`.
    """
    x0, y0, _, x1, y1, _ = source.point_cloud_range
    boxes, scores, labels = (part.numpy()[:MOST] for part in (found.boxes, found.scores, found.labels))
    title += f", best {MOST} of {len(found)}" if len(found) > MOST else ""
    draw_frame(
        path, sample.points, boxes[:, :7], scores, labels, source.class_names,
        true_boxes=source.true_boxes(sample.info), title=title, limits=(x0, y0, x1, y1), ground=source.ground,
        axes=source.axes,
    )  # fmt: skip


def _class_colours(class_names: Sequence[str], labels: np.ndarray) -> dict[int, str]:
    """Of each class; where there are more classes than colours, of those in the picture only."""
    shown = range(1, len(class_names) + 1) if len(class_names) <= len(COLOURS) else np.unique(labels).tolist()
    return {label: colour_of(number) for number, label in enumerate(shown)}


def _raster(
    points: np.ndarray, other: np.ndarray | None, limits: tuple[float, float, float, float], ground: float
) -> np.ndarray:
    """[H, W, 3] uint8 picture of the points, row 0 nearest, column 0 leftmost: quicker than a marker a point."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    x0, y0, x1, y1 = limits
    shape = round((x1 - x0) / _CELL), round((y1 - y0) / _CELL)
    image = np.empty((*shape, 3), dtype=np.uint8)
    image[:] = _bytes(to_rgb(PANEL))
    if other is not None:
        _stamp(image, other, np.broadcast_to(_bytes(to_rgb(OTHER_COLOUR)), (len(other), 3)), limits)
    points = points[np.argsort(points[:, 2])]  # the highest on top
    share = (points[:, 2] - ground - HEIGHTS[0]) / (HEIGHTS[1] - HEIGHTS[0])
    colours = LinearSegmentedColormap.from_list("height", HEIGHT_COLOURS)(np.clip(share, 0, 1))
    _stamp(image, points, _bytes(colours[:, :3]), limits)
    return image


def _bytes(colours: Any) -> np.ndarray:
    return (255 * np.asarray(colours)).round().astype(np.uint8)


def _stamp(
    image: np.ndarray, points: np.ndarray, colours: np.ndarray, limits: tuple[float, float, float, float]
) -> None:
    """Paint each point as a square of two to four cells: larger far away, where points are few."""
    x0, _, _, y1 = limits
    rows = np.floor((points[:, 0] - x0) / _CELL).astype(np.int64)
    columns = np.floor((y1 - points[:, 1]) / _CELL).astype(np.int64)
    sizes = np.clip(np.hypot(points[:, 0], points[:, 1]) // 18 + 2, 2, 4)
    for i in range(4):
        for j in range(4):
            r, c = rows + i, columns + j
            kept = (sizes > max(i, j)) & (r >= 0) & (r < image.shape[0]) & (c >= 0) & (c < image.shape[1])
            image[r[kept], c[kept]] = colours[kept]


def _rings(axes: Any, limits: tuple[float, float, float, float]) -> None:
    """Circles every ten metres (fifty on a large picture), named where they cross a ray that stays inside it."""
    from matplotlib.patches import Circle

    x0, y0, x1, y1 = limits
    angle = 0.9 * np.arctan2(y1, x1)
    step = 10 if x1 <= 100 else 50
    for radius in range(step, int(np.hypot(x1, max(y1, -y0))) + 1, step):
        axes.add_patch(Circle((0, 0), radius, fill=False, color=GRID, linewidth=0.8, zorder=1))
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        if x0 < x < x1 and y0 < y < y1:
            axes.text(
                -y, x, f"{radius} m", color=FAINT, fontsize=7.5, ha="center", va="center",
                rotation=np.rad2deg(angle), zorder=2,
            )  # fmt: skip


def _on_picture(xy: np.ndarray) -> np.ndarray:
    """Points of the ground [..., 2] (ahead, left) as (right, ahead)."""
    return np.stack([-xy[..., 1], xy[..., 0]], axis=-1)


def _ground_plans(boxes: np.ndarray, reach: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """Corners [N, 4, 2]; and N outlines, then N lines from the centres to ``reach`` m past the fronts."""
    corners = _on_picture(bev_corners(boxes))
    ahead = np.column_stack([np.cos(boxes[:, 6]), np.sin(boxes[:, 6])])
    tips = boxes[:, :2] + ahead * (boxes[:, 3:4] / 2 + reach)
    return corners, [
        *np.concatenate([corners, corners[:, :1]], axis=1),
        *_on_picture(np.stack([boxes[:, :2], tips], 1)),
    ]


def _areas(axes: Any, boxes: np.ndarray) -> None:
    """True boxes."""
    from matplotlib.collections import LineCollection, PolyCollection

    if len(boxes) == 0:
        return
    corners, lines = _ground_plans(boxes, reach=0.0)
    axes.add_collection(PolyCollection(list(corners), facecolors=TRUE_COLOUR, alpha=0.16, zorder=3))
    style: dict[str, Any] = {"colors": TRUE_COLOUR, "linewidths": 1.0, "linestyles": _DASHES, "zorder": 4}
    axes.add_collection(LineCollection(lines, **style))


def _halo(width: float) -> list[Any]:
    """A dark rim that keeps lines and letters apart from what lies under them."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground=PANEL)]


def _faded(colours: list[str], scores: np.ndarray) -> np.ndarray:
    """[K, 3] colours: whole from a score of one half on, at zero a quarter left over the background."""
    from matplotlib.colors import to_rgb

    strength = np.clip(0.25 + 1.5 * np.asarray(scores, dtype=np.float64), 0.25, 1.0)[:, None]
    return strength * np.array([to_rgb(colour) for colour in colours]) + (1 - strength) * np.array(to_rgb(PANEL))


def _outlines(axes: Any, boxes: np.ndarray, colours: np.ndarray) -> None:
    """Detections."""
    from matplotlib.collections import LineCollection

    _, lines = _ground_plans(boxes, reach=0.7)
    twice = np.concatenate([colours, colours])  # outlines, then arrows
    drawn = LineCollection(lines, colors=list(twice), linewidths=1.5, capstyle="round", zorder=5)
    drawn.set_path_effects(_halo(2.6))
    axes.add_collection(drawn)


def _scores(axes: Any, boxes: np.ndarray, scores: np.ndarray, colours: np.ndarray, metres_a_point: float) -> None:
    """A number beside each box, on the side where least is in its way."""
    corners = _on_picture(bev_corners(boxes))
    taken = [np.concatenate([corner.min(0), corner.max(0)]) for corner in corners]
    size = np.array([17.0, 7.5]) * metres_a_point  # of four characters, 7.5 points high
    for i, score in enumerate(scores):
        middle, half = (taken[i][:2] + taken[i][2:]) / 2, (taken[i][2:] - taken[i][:2]) / 2
        shifts = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, 1], [1, -1], [-1, -1]])
        places = middle + shifts * (half + size / 2 + 2 * metres_a_point)
        others = np.array(taken[:i] + taken[i + 1 :]).reshape(-1, 4)
        covered = [_shared(np.concatenate([place - size / 2, place + size / 2]), others) for place in places]
        place = places[int(np.argmin(covered))]
        taken.append(np.concatenate([place - size / 2, place + size / 2]))
        axes.text(
            *place, f"{score:.2f}", color=colours[i], fontsize=7.5, ha="center", va="center",
            clip_on=True, path_effects=_halo(2.2), zorder=6,
        )  # fmt: skip


def _shared(one: np.ndarray, others: np.ndarray) -> float:
    """Area that the upright rectangle [4] (lower corner, upper corner) shares with others [N, 4], in sum."""
    sides = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    return float(np.clip(sides, 0, None).prod(1).sum())


def _legend(
    axes: Any, class_names: Sequence[str], labels: np.ndarray, colours: dict[int, str], true_boxes: np.ndarray | None
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=colour, linewidth=2, label=f"{class_names[label - 1]}  {int((labels == label).sum())}")
        for label, colour in colours.items()
    ]
    if true_boxes is not None:
        pale: dict[str, Any] = {"facecolor": (1.0, 1.0, 1.0, 0.16), "edgecolor": TRUE_COLOUR, "linestyle": _DASHES}
        handles.append(Patch(label=f"labelled  {len(true_boxes)}", **pale))
    legend = axes.legend(
        handles=handles, loc="upper right", fontsize=9, labelcolor=TEXT, facecolor=PANEL, edgecolor=GRID,
        framealpha=0.9, borderpad=0.7, labelspacing=0.5,
    )  # fmt: skip
    legend.set_zorder(8)


def _sensor(axes: Any) -> None:
    axes.plot(0, 0, marker="^", color=TEXT, markersize=9, markeredgecolor=PANEL, clip_on=False, zorder=7)


def _frame(axes: Any, limits: tuple[float, float, float, float], names: tuple[str, str]) -> None:
    x0, y0, x1, y1 = limits
    axes.set_xlim(-y1, -y0)
    axes.set_ylim(x0 - 2, x1)
    axes.set_aspect("equal")
    axes.tick_params(colors=FAINT, labelsize=8, color=GRID)
    for spine in axes.spines.values():
        spine.set_color(GRID)
    axes.set_xlabel(f"{names[0]}, m", color=FAINT, fontsize=8.5)
    axes.set_ylabel(f"{names[1]}, m", color=FAINT, fontsize=8.5)
