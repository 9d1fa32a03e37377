"""The component tables of the Waymo Open Dataset's v2 release that this package reads: their keys and columns.

A data set is a folder of splits, a split a folder of components, a component one Parquet file a segment:
``training/lidar/SEGMENT.parquet``. Columns are flat: ``key.frame_timestamp_micros``,
``[LiDARComponent].range_image_return1.values``. The rows of two components need not be in the same order.

Source: the component classes of ``waymo_open_dataset.v2`` (waymo-research/waymo-open-dataset, release of 2025-04).
Doubts: its code declares transforms as float64, a real ``vehicle_pose`` file holds float32; either is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SEGMENT, TIMESTAMP, LASER, OBJECT = (
    "key.segment_context_name",
    "key.frame_timestamp_micros",
    "key.laser_name",
    "key.laser_object_id",
)

LASERS = {1: "TOP", 2: "FRONT", 3: "SIDE_LEFT", 4: "SIDE_RIGHT", 5: "REAR"}
"""Names of the five laser scanners."""
TOP = 1

BOX_TYPES = ("Unknown", "Vehicle", "Pedestrian", "Sign", "Cyclist")
"""Names of the object types, by their number."""


@dataclass(frozen=True)
class Component:
    """One component table.

    Attributes:
        folder: Its folder within a split.
        name: Its class, which prefixes the columns.
        keys: Full names of the key columns.
        columns: What each column holds, by its name without the prefix: ``"int"``, ``"float"``, or a list of these
            (``"floats"``, ``"ints"``).
        optional: Columns that a file may lack.
    """

    folder: str
    name: str
    keys: tuple[str, ...]
    columns: dict[str, str]
    optional: frozenset[str] = field(default_factory=frozenset)

    def column(self, short: str) -> str:
        """The full name of a column."""
        return f"[{self.name}].{short}"


def _images(values: str, *returns: int) -> dict[str, str]:
    columns: dict[str, str] = {}
    for number in returns:
        columns |= {f"range_image_return{number}.values": values, f"range_image_return{number}.shape": "ints"}
    return columns


_AXES = ("x", "y", "z")
_BOX = {f"box.{part}.{axis}": "float" for part in ("center", "size") for axis in _AXES} | {"box.heading": "float"}
_MOTION = {f"{part}.{axis}": "float" for part in ("speed", "acceleration") for axis in _AXES}
_LEVELS = {"difficulty_level.detection": "int", "difficulty_level.tracking": "int"}
_COUNTS = {"num_lidar_points_in_box": "int", "num_top_lidar_points_in_box": "int"}

LIDAR = Component("lidar", "LiDARComponent", (SEGMENT, TIMESTAMP, LASER), _images("floats", 1, 2))
"""Range images [H, W, 4] of both returns: range (m), intensity, elongation, in a no-label zone (1) or not (-1)."""

LIDAR_POSE = Component("lidar_pose", "LiDARPoseComponent", (SEGMENT, TIMESTAMP, LASER), _images("floats", 1))
"""[H, W, 6] roll, pitch, yaw (rad), x, y, z (m) of the vehicle in the world when a pixel of the top scanner was taken.

The second return has the pose of the first.
"""

LIDAR_CALIBRATION = Component(
    "lidar_calibration",
    "LiDARCalibrationComponent",
    (SEGMENT, LASER),
    {
        "extrinsic.transform": "floats",
        "beam_inclination.min": "float",
        "beam_inclination.max": "float",
        "beam_inclination.values": "floats",
    },
)
"""[4, 4] vehicle from scanner, and the elevations (rad) of the rows of a range image, in rising order."""

VEHICLE_POSE = Component(
    "vehicle_pose", "VehiclePoseComponent", (SEGMENT, TIMESTAMP), {"world_from_vehicle.transform": "floats"}
)
"""[4, 4] world from vehicle at the time of the frame."""

LIDAR_BOX = Component(
    "lidar_box",
    "LiDARBoxComponent",
    (SEGMENT, TIMESTAMP, OBJECT),
    _BOX | {"type": "int"} | _COUNTS | _MOTION | _LEVELS,
    frozenset(_MOTION) | frozenset(_LEVELS),
)
"""Labelled boxes in the vehicle's frame."""

LIDAR_SEGMENTATION = Component(
    "lidar_segmentation",
    "LiDARSegmentationLabelComponent",
    (SEGMENT, TIMESTAMP, LASER),
    _images("ints", 1, 2),
)
"""[H, W, 2] instance and semantic class of the top scanner's pixels; few frames have it."""

COMPONENTS = (LIDAR, LIDAR_POSE, LIDAR_CALIBRATION, VEHICLE_POSE, LIDAR_BOX, LIDAR_SEGMENTATION)
