"""How fast Waymo's range images become points, and whether memory stays flat over many frames.

    python -m benchmarks.waymo_frames [--frames 1000] [--detail 1.0]

The images are those of a built-in frame of the data set's sizes: 64 x 2650 with a pose of each pixel, and four of
200 x 600. The compiled conversion is measured against a loop over the pixels in Python and NumPy, and against NumPy on
whole images. Then a segment of eight frames is written, and read over and over until the number of frames is reached.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from formerdata.waymo import TOP, LidarCalibration, RawFrame, SegmentWriter, WaymoSegment, range_image_points
from formerdata.waymo.built_in import BuiltInSegment, SegmentSettings
from formerdata.waymo.scanners import pose_matrix

from benchmarks.timing import machine, medians

Image = tuple[np.ndarray, LidarCalibration, np.ndarray | None, np.ndarray]


def images_of(segment: BuiltInSegment, frame: RawFrame) -> list[Image]:
    """All range images of a frame with what their conversion takes."""
    inverse = np.linalg.inv(frame.world_from_vehicle)
    found: list[Image] = []
    for laser, returns in frame.images.items():
        poses = frame.pixel_poses if laser == TOP else None
        found += [(image, segment.calibrations[laser], poses, inverse) for image in returns if image is not None]
    return found


def by_loop(image: np.ndarray, calibration: LidarCalibration, poses: np.ndarray | None, inverse: np.ndarray) -> int:
    """Pixel by pixel, a few small NumPy arrays for each; returns the number of points."""
    rows, columns = calibration.rows(image.shape[0]), calibration.columns(image.shape[1])
    points = []
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            distance = image[row, column, 0]
            if distance > 0:
                flat = np.cos(rows[row]) * distance
                point = np.array(
                    [np.cos(columns[column]) * flat, np.sin(columns[column]) * flat, np.sin(rows[row]) * distance, 1.0]
                )
                point = calibration.extrinsic @ point
                if poses is not None:
                    point = inverse @ (pose_matrix(poses[row, column]) @ point)
                points.append(point)
    return len(points)


def by_arrays(image: np.ndarray, calibration: LidarCalibration, poses: np.ndarray | None, inverse: np.ndarray) -> int:
    """NumPy on all points of an image at once."""
    row, column = np.nonzero(image[..., 0] > 0)
    distance = image[row, column, 0].astype(np.float64)
    elevation, azimuth = calibration.rows(image.shape[0])[row], calibration.columns(image.shape[1])[column]
    flat = np.cos(elevation) * distance
    points = np.stack([np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.sin(elevation) * distance], axis=1)
    points = points @ calibration.extrinsic[:3, :3].T + calibration.extrinsic[:3, 3]
    if poses is not None:
        moved = pose_matrix(poses[row, column])
        points = np.einsum("nij,nj->ni", moved[:, :3, :3], points) + moved[:, :3, 3]
        points = points @ inverse[:3, :3].T + inverse[:3, 3]
    return len(np.column_stack([points, image[row, column, 1:3]]).astype(np.float32))


def resident() -> float:
    """Memory of this process, MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def memory_over_frames(segment: BuiltInSegment, raw: RawFrame, frames: int) -> None:
    """Read ``frames`` frames, and print how large the process is on the way."""
    with tempfile.TemporaryDirectory() as folder:
        split = Path(folder) / "training"
        with SegmentWriter(split, segment.name, segment.calibrations) as writer:
            for number in range(8):
                writer.add(RawFrame(**(vars(raw) | {"timestamp": raw.timestamp + number})))
        size = sum(path.stat().st_size for path in split.rglob("*.parquet"))
        print(f"\n{size / 8e6:.1f} MB a frame on disk; memory of the process while reading:")
        begin, read, marks = time.perf_counter(), 0, {1, 10, frames // 4, frames // 2, frames}
        while read < frames:
            with WaymoSegment(split, segment.name) as opened:
                for _ in opened:
                    read += 1
                    if read in marks:
                        print(f"  after {read:>5} frames {resident():8.0f} MB")
                    if read == frames:
                        break
        print(f"  {(time.perf_counter() - begin) / frames * 1e3:.0f} ms a frame, decoding and checking included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--detail", type=float, default=1.0, help="Width of the images over Waymo's.")
    arguments = parser.parse_args()
    print(machine())
    segment = BuiltInSegment(0, 0, SegmentSettings(num_frames=1, detail=arguments.detail))
    raw = next(segment.frames()).raw
    images = images_of(segment, raw)
    count = sum(len(range_image_points(*each)[0]) for each in images)
    assert count == sum(by_arrays(*each) for each in images)
    contenders = {
        "compiled": lambda: [range_image_points(*each) for each in images],
        "NumPy, whole images": lambda: [by_arrays(*each) for each in images],
    }
    seconds = medians(contenders, runs=9, warm_up=1)
    seconds |= medians({"NumPy, pixel by pixel": lambda: [by_loop(*each) for each in images]}, runs=1, warm_up=0)
    print(f"\none frame, {count:,} points of {len(images)} images")
    for name, value in seconds.items():
        print(f"  {name:<24} {value * 1e3:9.1f} ms  {value / seconds['compiled']:8.1f} x")
    memory_over_frames(segment, raw, arguments.frames)


if __name__ == "__main__":
    main()
