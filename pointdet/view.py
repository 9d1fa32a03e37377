"""Look at a frame in 3D: ``python -m pointdet.view SCAN_OR_FRAME``; in a window, or rendered to a PNG without a screen.

What is shown is put together in NumPy (:func:`load_scene`, :func:`box_mesh`); Open3D (extra ``viz``) only draws it.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from formerdata.boxes import box_corners
from formerdata.kitti import Calibration, Layout, Objects, boxes_from_objects, read_calibration, read_objects
from formerdata.points import read_points

from formerkit.io import ConfigError, DataError, FormerkitError, atomic_write, require
from formerkit.palette import BACKGROUND, GRID, colour_of, rgb
from pointdet.visualize import HEIGHT_COLOURS, HEIGHTS, KITTI_GROUND, TRUE_COLOUR

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

# Colours go by class, the same in every frame; the three that are usually detected have those of the other pictures.
_COLOUR_ORDER = ("Car", "Pedestrian", "Cyclist", "Van", "Truck", "Person_sitting")
_EDGES = np.array([(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)])


@dataclass(frozen=True)
class Labelled:
    """Boxes with names.

    Attributes:
        boxes: [M, 7] float32, LiDAR frame.
        names: [M] str.
        scores: [M], or None for labels.
    """

    boxes: np.ndarray
    names: np.ndarray
    scores: np.ndarray | None


@dataclass(frozen=True)
class Scene:
    """What there is to see.

    Attributes:
        title: Of the window.
        points: [N, 4] float32 x, y, z, intensity, LiDAR frame.
        labels, detections: None where not given.
    """

    title: str
    points: np.ndarray
    labels: Labelled | None
    detections: Labelled | None


def load_scene(
    source: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    calib: str | os.PathLike[str] | None = None,
    detections: str | os.PathLike[str] | None = None,
) -> Scene:
    """Read a scan and what belongs to it.

    Args:
        source: A file (.bin, .npy, .pcd, .ply), or a frame of a KITTI folder as ``ROOT/training/000008``. A scan that
            lies where KITTI has it brings its calibration and labels along, as a frame does.
        labels: KITTI label file; takes the place of the frame's own.
        calib: KITTI calibration file; likewise. Without one there is no place for detections and labels; a warning says
            so of the frame's own.
        detections: KITTI result file.

    Raises:
        DataError: If a file is absent or malformed.
        ConfigError: If there are labels or detections but no calibration.
        MissingExtraError: If the scan's kind needs Open3D and it is absent.
    """
    scan = _scan_of(Path(source))
    if scan.parent.name == "velodyne":
        layout = Layout(scan.resolve().parents[2], scan.resolve().parents[1].name)
        calib = calib or _if_there(layout.calibration(scan.stem))
        own = _if_there(layout.label(scan.stem))
        if own and not (labels or calib):
            warnings.warn(f"{own}: not shown, for {layout.calibration(scan.stem)} is missing", stacklevel=2)
        labels = labels or (own if calib else None)
    if (labels or detections) and not calib:
        raise ConfigError(
            f"{scan}: labels and detections are in the camera's frame; name the scan's calibration file with --calib"
        )
    points = read_points(scan)
    calibration = read_calibration(calib) if calib else None
    return Scene(scan.stem, points, _read_boxes(labels, calibration), _read_boxes(detections, calibration))


def _scan_of(source: Path) -> Path:
    frame = source.parent / "velodyne" / f"{source.name}.bin"
    if not source.exists() and frame.is_file():
        return frame
    if not source.is_file():
        raise DataError(source, "no such file", expected="a scan, or a frame such as ROOT/training/000008")
    return source


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _read_boxes(path: str | os.PathLike[str] | None, calibration: Calibration | None) -> Labelled | None:
    if path is None or calibration is None:
        return None
    if not Path(path).is_file():
        raise DataError(path, "no such file", expected="a KITTI label or result file")
    objects = read_objects(path)
    objects = objects.select(_has_a_place(objects))
    return Labelled(boxes_from_objects(objects, calibration), objects.names, objects.scores)


def _has_a_place(objects: Objects) -> np.ndarray:
    """[M] whether an object states a box in space; DontCare regions and 2D detections do not."""
    return (objects.names != "DontCare") & (objects.dimensions > 0).all(axis=1)


def box_mesh(boxes: np.ndarray, colours: np.ndarray, thickness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The edges of boxes, and a line from each centre through the front, as square beams.

    Beams, since lines of graphics libraries are one pixel wide.

    Args:
        boxes: [M, 7]. colours: [M, 3] in 0 .. 1.
        thickness: Of a beam, m.

    Returns:
        Vertices [V, 3] float64, triangles [T, 3] int64, and colours of the vertices [V, 3].
    """
    corners = box_corners(boxes.astype(np.float64))
    ahead = np.column_stack([np.cos(boxes[:, 6]), np.sin(boxes[:, 6]), np.zeros(len(boxes))])
    tips = boxes[:, :3] + ahead * (boxes[:, 3:4] / 2 + 0.7)
    starts = np.concatenate([corners[:, _EDGES[:, 0]], boxes[:, None, :3]], axis=1).reshape(-1, 3)
    ends = np.concatenate([corners[:, _EDGES[:, 1]], tips[:, None]], axis=1).reshape(-1, 3)
    vertices, triangles = _beams(starts, ends, thickness)
    return vertices, triangles, np.repeat(colours, 8 * (len(_EDGES) + 1), axis=0)


def _beams(starts: np.ndarray, ends: np.ndarray, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [8 B, 3] and triangles [12 B, 3] of square beams between points [B, 3]."""
    along = ends - starts
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    # A second direction that is never parallel to the beam.
    other = np.where(np.abs(along[:, 2:]) < 0.9, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    side = np.cross(along, other)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(side, along)
    ring = thickness / 2 * np.stack([side + up, side - up, -side - up, -side + up], axis=1)
    along = along * thickness / 2  # so that beams meet in full corners
    vertices = np.concatenate([(starts - along)[:, None] + ring, (ends + along)[:, None] + ring], axis=1)
    walls = [face for i in range(4) for face in ((i, (i + 1) % 4, i + 4), ((i + 1) % 4, (i + 1) % 4 + 4, i + 4))]
    faces = np.array([*walls, (0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7)])
    return vertices.reshape(-1, 3), (faces + 8 * np.arange(len(starts))[:, None, None]).reshape(-1, 3)


def point_colours(points: np.ndarray, by: str) -> np.ndarray:
    """[N, 3] in 0 .. 1, from dark to light with height or intensity.

    Raises:
        ConfigError: If ``by`` is neither ``height`` nor ``intensity``.
    """
    if by == "height":
        share = (points[:, 2] - KITTI_GROUND - HEIGHTS[0]) / (HEIGHTS[1] - HEIGHTS[0])
    elif by == "intensity":
        # Most surfaces answer weakly: the root spreads them, and number plates may not dim the rest.
        top = max(float(np.percentile(points[:, 3], 98)), 1e-6) if len(points) else 1.0
        share = np.sqrt(np.clip(points[:, 3] / top, 0, 1))
    else:
        raise ConfigError(f"--colour: {by!r}; expected height or intensity")
    stops = np.array([rgb(colour) for colour in HEIGHT_COLOURS])
    at = np.linspace(0, 1, len(stops))
    return np.column_stack([np.interp(share, at, stops[:, channel]) for channel in range(3)])


def _class_colours(names: np.ndarray) -> np.ndarray:
    order = [_COLOUR_ORDER.index(name) if name in _COLOUR_ORDER else len(_COLOUR_ORDER) - 1 for name in names]
    return np.array([rgb(colour_of(i)) for i in order]).reshape(-1, 3)


def geometries(scene: Scene, colour: str = "height") -> list[Any]:
    """Open3D's geometries of a scene: points, range rings, boxes, scores."""
    o3d = _open3d()
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(scene.points[:, :3].astype(np.float64)))
    cloud.colors = o3d.utility.Vector3dVector(point_colours(scene.points, colour))
    shown = [cloud, *_rings(o3d, scene.points)]
    if scene.labels is not None and len(scene.labels.boxes):
        white = np.tile(rgb(TRUE_COLOUR), (len(scene.labels.boxes), 1))
        shown.append(_mesh(o3d, *box_mesh(scene.labels.boxes, white, 0.035)))
    if scene.detections is not None and len(scene.detections.boxes):
        colours = _class_colours(scene.detections.names)
        shown.append(_mesh(o3d, *box_mesh(scene.detections.boxes, colours, 0.08)))
        shown += _score_texts(o3d, scene.detections, colours)
    return shown


def _open3d() -> Any:
    return require("open3d", "viz", purpose="pointdet.view")


def _mesh(o3d: Any, vertices: np.ndarray, triangles: np.ndarray, colours: np.ndarray) -> Any:
    mesh = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(triangles))
    mesh.vertex_colors = o3d.utility.Vector3dVector(colours)
    return mesh


def _rings(o3d: Any, points: np.ndarray) -> list[Any]:
    """Circles on the ground every ten metres, as far as there are points."""
    reach = min(float(np.hypot(points[:, 0], points[:, 1]).max()), 80.0) if len(points) else 40.0
    turn = np.linspace(0, 2 * np.pi, 181)
    links = np.column_stack([np.arange(180), np.arange(1, 181)])
    rings = []
    for radius in range(10, int(reach) + 1, 10):
        circle = np.column_stack([radius * np.cos(turn), radius * np.sin(turn), np.full(len(turn), KITTI_GROUND)])
        ring = o3d.geometry.LineSet(o3d.utility.Vector3dVector(circle), o3d.utility.Vector2iVector(links))
        ring.paint_uniform_color(rgb(GRID))
        rings.append(ring)
    return rings


def _score_texts(o3d: Any, detections: Labelled, colours: np.ndarray) -> list[Any]:
    """Scores above the boxes, to be read from behind the sensor."""
    texts = []
    for box, score, colour in zip(detections.boxes, _scores(detections), colours, strict=True):
        text = o3d.t.geometry.TriangleMesh.create_text(f"{score:.2f}", depth=0).to_legacy()
        flat = np.asarray(text.vertices)
        across, up = 0.035 * (flat[:, 0] - flat[:, 0].mean()), 0.035 * flat[:, 1]  # 14 units high: half a metre
        place = np.column_stack([np.zeros(len(flat)), -across, up + box[5] / 2 + 0.6])
        text.vertices = o3d.utility.Vector3dVector(box[:3] + place)
        text.paint_uniform_color(colour)
        texts.append(text)
    return texts


def _scores(detections: Labelled) -> np.ndarray:
    return np.zeros(0) if detections.scores is None else detections.scores


def show(scene: Scene, *, save: str | os.PathLike[str] | None = None, colour: str = "height") -> None:
    """Open a window until it is closed, or write a picture.

    Args:
        scene: From :func:`load_scene`.
        save: Where to write a PNG instead of opening a window; needs no screen.
        colour: Of the points: by ``height`` or ``intensity``.

    Raises:
        ConfigError: If a window is wanted and there is no screen.
        MissingExtraError: If Open3D is absent.
    """
    o3d = _open3d()
    if (
        save is None
        and sys.platform == "linux"
        and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    ):
        raise ConfigError("no screen to open a window on; --save FILE.png renders without one")
    # A picture is rendered twice as large and then reduced: smooth edges.
    width, height = (1440, 900) if save is None else (2880, 1800)
    o3d.utility.set_verbosity_level(o3d.utility.VerbosityLevel.Error)  # how it finds a way to render is no news
    window = o3d.visualization.Visualizer()
    if not window.create_window(scene.title, width, height, visible=save is None):
        raise ConfigError("Open3D could not open a window")
    try:
        options = window.get_render_option()
        options.background_color, options.light_on, options.mesh_show_back_face = rgb(BACKGROUND), False, True
        options.point_size = 1.6 if save is None else 3.2
        for geometry in geometries(scene, colour):
            window.add_geometry(geometry)
        window.get_view_control().convert_from_pinhole_camera_parameters(_camera(o3d, width, height), True)
        if save is None:
            window.run()
            return
        window.poll_events()
        window.update_renderer()
        _write_png(np.asarray(window.capture_screen_float_buffer(True)), Path(save))
    finally:
        window.destroy_window()


def _camera(o3d: Any, width: int, height: int) -> Any:
    """From above and behind the sensor, looking ahead."""
    eye, target = np.array([-9.0, 0.0, 7.0]), np.array([11.0, 0.0, -2.0])
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(forward, right), forward])  # rows: the camera's x (right), y (down), z (ahead)
    camera = o3d.camera.PinholeCameraParameters()
    camera.intrinsic = o3d.camera.PinholeCameraIntrinsic(
        width, height, 0.9 * height, 0.9 * height, width / 2 - 0.5, height / 2 - 0.5
    )
    extrinsic = np.eye(4)
    extrinsic[:3, :3], extrinsic[:3, 3] = turn, -turn @ eye
    camera.extrinsic = extrinsic
    return camera


def _write_png(image: np.ndarray, path: Path) -> None:
    from PIL import Image

    picture = Image.fromarray((255 * image).round().astype(np.uint8)).reduce(2)
    with atomic_write(path) as file:
        picture.save(file, format="png")


def _parser() -> ArgumentParser:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog="python -m pointdet.view", description="Show a scan, its labels and detections in 3D (extra 'viz')."
    )
    parser.add_argument(
        "source", type=str, help="a scan (.bin, .npy, .pcd, .ply), or a frame of a KITTI folder: ROOT/training/000008"
    )
    parser.add_argument("--labels", type=str | None, help="KITTI label file; a frame of a KITTI folder brings its own")
    parser.add_argument("--calib", type=str | None, help="KITTI calibration file; a frame brings its own")
    parser.add_argument("--detections", type=str | None, help="KITTI result file")
    parser.add_argument("--colour", type=str, default="height", help="of the points: height or intensity")
    parser.add_argument("--save", type=str | None, help="write a PNG instead of opening a window; needs no screen")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    try:
        scene = load_scene(options.source, labels=options.labels, calib=options.calib, detections=options.detections)
        show(scene, save=options.save, colour=options.colour)
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.save:
        print(f"{len(scene.points):,} points, picture in {options.save}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
