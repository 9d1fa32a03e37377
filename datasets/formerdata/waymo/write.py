"""Writing segments in the layout of Waymo's v2 release."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from formerdata.waymo.boxes import WaymoBoxes
from formerdata.waymo.layout import component_path
from formerdata.waymo.range_image import LidarCalibration
from formerdata.waymo.schema import LIDAR, LIDAR_BOX, LIDAR_CALIBRATION, LIDAR_POSE, TOP, VEHICLE_POSE, Component
from formerdata.waymo.table import parquet
from formerkit.io import atomic_write

_KEY_TYPES = {
    "key.segment_context_name": "string",
    "key.frame_timestamp_micros": "int64",
    "key.laser_name": "int8",
    "key.laser_object_id": "string",
}


@dataclass(frozen=True)
class RawFrame:
    """A frame before it is written.

    Attributes:
        timestamp: Microseconds.
        world_from_vehicle: [4, 4] float64.
        images: For each scanner the [H, W, 4] float32 range images of its first and second return (None: no second).
            -1 in all channels where there is no echo.
        pixel_poses: [H, W, 6] float32 roll, pitch, yaw (rad), x, y, z (m) of the top scanner's pixels.
        boxes: Labels, or None.
    """

    timestamp: int
    world_from_vehicle: np.ndarray
    images: Mapping[int, tuple[np.ndarray, np.ndarray | None]]
    pixel_poses: np.ndarray
    boxes: WaymoBoxes | None


class SegmentWriter:
    """Writes one segment, frame by frame; a context. The files appear when it is left without an error.

    What is stored: ranges, intensities, elongations and pixel poses as float32, transforms and boxes as float64, as
    the release declares them. A range of 75 m has then a resolution of 8 micrometres. Each frame is a row group of
    the image tables; pages have checksums.

    Args:
        split: Folder of the split.
        segment: Context name.
        calibrations: Of each scanner.

    Raises:
        MissingExtraError: If pyarrow is absent.
    """

    def __init__(
        self, split: str | os.PathLike[str], segment: str, calibrations: Mapping[int, LidarCalibration]
    ) -> None:
        self.split, self.segment, self.calibrations = Path(split), segment, dict(calibrations)
        self._parquet = parquet()
        self._writers: dict[str, Any] = {}
        self._small: dict[str, list[dict[str, Any]]] = {VEHICLE_POSE.folder: [], LIDAR_BOX.folder: []}

    def __enter__(self) -> SegmentWriter:
        with ExitStack() as stack:
            # The last to be opened is the first to be renamed: a segment that has its lidar file is complete.
            for component in (LIDAR, LIDAR_POSE, LIDAR_BOX, VEHICLE_POSE, LIDAR_CALIBRATION):
                file = stack.enter_context(atomic_write(component_path(self.split, component, self.segment)))
                options = {"use_dictionary": list(component.keys), "write_page_checksum": True, "compression": "zstd"}
                writer = self._parquet.ParquetWriter(file, _schema(component), **options)
                self._writers[component.folder] = stack.enter_context(writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack as stack:
            if error is not None:
                raise error  # the stack is to see it, and leaves nothing behind
            stack.callback(self._writers.clear)
            self._write(LIDAR_CALIBRATION, [self._calibration_row(laser) for laser in sorted(self.calibrations)])
            for component in (VEHICLE_POSE, LIDAR_BOX):
                self._write(component, self._small[component.folder])

    def add(self, frame: RawFrame) -> None:
        """Write a frame.

        Raises:
            ValueError: If it lacks a scanner that is calibrated.
        """
        if set(frame.images) != set(self.calibrations):
            wanted = f"the calibrated ones, {sorted(self.calibrations)}"
            raise ValueError(f"RawFrame.images: expected the scanners {wanted}, got {sorted(frame.images)}")
        key = {"key.segment_context_name": self.segment, "key.frame_timestamp_micros": frame.timestamp}
        rows = []
        for laser, (first, second) in sorted(frame.images.items()):
            row: dict[str, Any] = key | {"key.laser_name": laser}
            rows.append(row | _image_cells(LIDAR, 1, first) | _image_cells(LIDAR, 2, second))
        self._write(LIDAR, rows)
        self._write(LIDAR_POSE, [key | {"key.laser_name": TOP} | _image_cells(LIDAR_POSE, 1, frame.pixel_poses)])
        pose = {VEHICLE_POSE.column("world_from_vehicle.transform"): frame.world_from_vehicle.ravel().tolist()}
        self._small[VEHICLE_POSE.folder].append(key | pose)
        if frame.boxes is not None:
            self._small[LIDAR_BOX.folder] += [key | row for row in _box_rows(frame.boxes)]

    def _calibration_row(self, laser: int) -> dict[str, Any]:
        calibration = self.calibrations[laser]
        listed = calibration.inclinations
        cells = {
            "extrinsic.transform": calibration.extrinsic.ravel().tolist(),
            "beam_inclination.min": calibration.lowest,
            "beam_inclination.max": calibration.highest,
            "beam_inclination.values": None if listed is None else listed.tolist(),
        }
        named = {LIDAR_CALIBRATION.column(short): cell for short, cell in cells.items()}
        return {"key.segment_context_name": self.segment, "key.laser_name": laser} | named

    def _write(self, component: Component, rows: list[dict[str, Any]]) -> None:
        import pyarrow as pa

        schema = _schema(component)
        arrays = [pa.array([row[name] for row in rows], type=schema.field(name).type) for name in schema.names]
        self._writers[component.folder].write_table(pa.Table.from_arrays(arrays, schema=schema))


def _image_cells(component: Component, number: int, image: np.ndarray | None) -> dict[str, Any]:
    values, shape = (component.column(f"range_image_return{number}.{part}") for part in ("values", "shape"))
    if image is None:
        return {values: None, shape: None}
    return {values: np.ascontiguousarray(image, dtype=np.float32).ravel(), shape: list(image.shape)}


def _box_rows(boxes: WaymoBoxes) -> list[dict[str, Any]]:
    columns: dict[str, np.ndarray] = {}
    for i, name in enumerate(["center.x", "center.y", "center.z", "size.x", "size.y", "size.z", "heading"]):
        columns[f"box.{name}"] = boxes.boxes[:, i]
    for i, axis in enumerate("xyz"):
        columns |= {f"speed.{axis}": boxes.speed[:, i], f"acceleration.{axis}": boxes.acceleration[:, i]}
    columns |= {
        "type": boxes.types,
        "num_lidar_points_in_box": boxes.num_points,
        "num_top_lidar_points_in_box": boxes.num_top_points,
        "difficulty_level.detection": boxes.difficulty,
        "difficulty_level.tracking": boxes.tracking_difficulty,
    }
    rows = []
    for i in range(len(boxes)):
        cells = {LIDAR_BOX.column(short): values[i].item() for short, values in columns.items()}
        known = {name: None if value != value else value for name, value in cells.items()}  # NaN is null
        rows.append({"key.laser_object_id": str(boxes.ids[i])} | known)
    return rows


def _schema(component: Component) -> Any:
    """The Arrow types that the release declares."""
    import pyarrow as pa

    fields = [(key, pa.type_for_alias(_KEY_TYPES[key])) for key in component.keys]
    for short, kind in component.columns.items():
        fields.append((component.column(short), _arrow_type(pa, short, kind)))
    return pa.schema(fields)


def _arrow_type(pa: Any, short: str, kind: str) -> Any:
    if short.endswith("transform"):
        return pa.list_(pa.float64(), 16)
    if short.endswith("shape"):
        return pa.list_(pa.int32(), 3)
    if short.endswith("values") and short.startswith("range_image"):
        return pa.list_(pa.float32() if kind == "floats" else pa.int32())
    if kind == "int":
        return pa.int64() if short.startswith("num_") else pa.int8()
    return pa.list_(pa.float64()) if kind == "floats" else pa.float64()
