"""Writes Waymo's v1 form, for tests: frames as records of a TFRecord file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from formerdata.waymo import TOP, LidarCalibration, RawFrame, WaymoBoxes
from formerdata.waymo.tfrecord import masked_crc32c
from formerdata.waymo.wire import field

from tests.formerdata.waymo.made_up import calibrations, raw_frame


def record(content: bytes) -> bytes:
    head = struct.pack("<Q", len(content))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (head, content)]
    return head + sums[0] + content + sums[1]


def transform(matrix: np.ndarray) -> bytes:
    return field(1, "doubles", matrix.ravel().tolist())


def matrix(values: np.ndarray) -> bytes:
    """Compressed ``MatrixFloat`` or ``MatrixInt32``."""
    kind = "floats" if values.dtype.kind == "f" else "ints"
    data = field(1, kind, values.ravel())
    if kind == "ints":  # packed, as the release has them
        data = field(1, "bytes", b"".join(field(1, "int", each)[1:] for each in values.ravel().tolist()))
    return zlib.compress(data + field(2, "message", field(1, "ints", values.shape)), 1)


def calibration(laser: int, value: LidarCalibration) -> bytes:
    listed = [] if value.inclinations is None else value.inclinations.tolist()
    content = field(1, "int", laser) + field(2, "doubles", listed)
    content += field(3, "double", value.lowest) + field(4, "double", value.highest)
    return content + field(5, "message", transform(value.extrinsic))


def context(name: str, calibrated: Mapping[int, LidarCalibration]) -> bytes:
    content = field(1, "text", name) + field(2, "message", field(1, "int", 1))  # a camera's, which is skipped
    content += b"".join(field(3, "message", calibration(*item)) for item in calibrated.items())
    stats = field(1, "message", field(1, "int", 1) + field(2, "int", 7)) + field(2, "text", "Night")
    return content + field(4, "message", stats + field(3, "text", "location_x") + field(4, "text", "rain"))


def range_image(image: np.ndarray | None, poses: np.ndarray | None = None, labels: np.ndarray | None = None) -> bytes:
    content = b"" if image is None else field(2, "bytes", matrix(image)) + field(3, "bytes", b"a projection")
    content += b"" if poses is None else field(4, "bytes", matrix(poses))
    return content + (b"" if labels is None else field(6, "bytes", matrix(labels)))


def laser(number: int, images: tuple[np.ndarray, np.ndarray | None], poses: np.ndarray | None, labels: Any) -> bytes:
    first, second = labels if labels and number == TOP else (None, None)
    content = field(1, "int", number)
    content += field(2, "message", range_image(images[0], poses if number == TOP else None, first))
    return content + (b"" if images[1] is None else field(3, "message", range_image(images[1], None, second)))


def label(boxes: WaymoBoxes, i: int) -> bytes:
    x, y, z, length, width, height, heading = boxes.boxes[i].tolist()
    box = b"".join(field(n, "double", v) for n, v in enumerate((x, y, z, width, length, height, heading), start=1))
    content = field(1, "message", box)
    motion = zip((1, 2, 5, 3, 4, 6), [*boxes.speed[i].tolist(), *boxes.acceleration[i].tolist()], strict=True)
    known = b"".join(field(n, "double", v) for n, v in motion if v == v)
    content += field(2, "message", known) if known else b""
    content += field(3, "int", boxes.types[i]) + field(4, "text", str(boxes.ids[i]))
    for number, column in ((5, boxes.difficulty), (6, boxes.tracking_difficulty), (7, boxes.num_points)):
        content += field(number, "int", column[i])
    return content + field(13, "int", boxes.num_top_points[i])


def frame(
    name: str, calibrated: Mapping[int, LidarCalibration], raw: RawFrame, *, zones: Iterable[np.ndarray] = (),
    labels: tuple[np.ndarray, np.ndarray] | None = None,
) -> bytes:  # fmt: skip
    """A ``Frame``; ``labels`` are those of the top scanner's pixels."""
    content = field(1, "message", context(name, calibrated)) + field(2, "int", raw.timestamp)
    content += field(3, "message", transform(raw.world_from_vehicle)) + field(4, "message", field(2, "bytes", b"JPEG"))
    for number, images in raw.images.items():
        content += field(5, "message", laser(number, images, raw.pixel_poses, labels))
    if raw.boxes is not None:
        content += b"".join(field(6, "message", label(raw.boxes, i)) for i in range(len(raw.boxes)))
    for i, corners in enumerate(zones):
        polygon = field(1, "doubles", corners[:, 0].tolist()) + field(2, "doubles", corners[:, 1].tolist())
        content += field(7, "message", polygon + field(3, "text", f"zone_{i}"))
    return content


def write_records(
    path: Path, name: str, calibrated: Mapping[int, LidarCalibration], frames: Iterable[RawFrame], **options: Any
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(record(frame(name, calibrated, raw, **options)) for raw in frames))
    return path


def made_up_records(
    split: Path, name: str = "segment_a", counts: tuple[int, ...] = (3, 0, 2), size: tuple[int, int] = (5, 9),
    seed: int = 0,
) -> tuple[Path, dict[int, LidarCalibration], list[RawFrame]]:  # fmt: skip
    """The segment of ``made_up.write_segment`` as v1."""
    rng = np.random.default_rng(seed)
    calibrated = calibrations(rng, size[0])
    frames = [raw_frame(rng, number, size, count) for number, count in enumerate(counts)]
    path = split / f"segment-{name}_with_camera_labels.tfrecord"
    return write_records(path, name, calibrated, frames), calibrated, frames
