"""A frame, and how it is put together from the range images of its scanners: the same for both releases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from formerdata.waymo.boxes import WaymoBoxes
from formerdata.waymo.objects_file import NoLabelZone
from formerdata.waymo.range_image import CHANNELS, LidarCalibration, range_image_points
from formerdata.waymo.schema import LASERS, TOP
from formerkit.io import DataError

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class WaymoFrame:
    """A frame as its files say. N points; the order is scanner, return, row and column of the range image.

    Attributes:
        segment: Context name.
        timestamp: Microseconds; with the segment the key of the frame.
        points: [N, 5] float32 x, y, z (m) in the vehicle's frame (x forward, y left, z up, the ground near 0) at the
            time of the frame; intensity and elongation as they are stored.
        lasers: [N] int8, number of the scanner (:data:`~formerdata.waymo.schema.LASERS`).
        returns: [N] int8, 1 or 2.
        no_label_zone: [N] bool, whether a point lies where nothing was labelled.
        boxes: Labels; None in a split without them.
        world_from_vehicle: [4, 4] float64.
        segmentation: [N, 2] int32 instance and class of each point, 0 where there is none; None if the frame has no
            such labels or they were not asked for.
        zones: Polygons of the no-label zones, in the world's frame; None in the v2 release, which has none but the
            mark of each point.
    """

    segment: str
    timestamp: int
    points: np.ndarray
    lasers: np.ndarray
    returns: np.ndarray
    no_label_zone: np.ndarray
    boxes: WaymoBoxes | None
    world_from_vehicle: np.ndarray
    segmentation: np.ndarray | None = None
    zones: tuple[NoLabelZone, ...] | None = None


@dataclass(frozen=True)
class ReturnImage:
    """One return of one scanner.

    Attributes:
        laser, number: Scanner 1 to 5, return 1 or 2.
        image: [H, W, 4] float32.
        labels: [H, W, 2] instance and class of the pixels, or None.
    """

    laser: int
    number: int
    image: np.ndarray
    labels: np.ndarray | None = None

    @property
    def name(self) -> str:
        """For errors."""
        return f"scanner {LASERS[self.laser]}, return {self.number}"


class Segment(ABC):
    """The frames of a segment in order of time. Close it, or use it as a context."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, position: int) -> WaymoFrame: ...

    def close(self) -> None:  # noqa: B027 (some have nothing open)
        """Give open files back; they are opened again when they are needed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[WaymoFrame]:
        for position in range(len(self)):
            yield self[position]


Blame = Callable[[ReturnImage, str, str, str], DataError]
"""Makes the error for an image, one of ``shape``, ``values`` and ``labels`` of it, a problem and what was expected."""


def check_choice(name: str, lasers: Sequence[int], returns: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Scanners and returns to read, sorted.

    Raises:
        ValueError: If one is not there, or there are none; ``name`` says whose argument it is.
    """
    for field, chosen, known in (("lasers", lasers, tuple(LASERS)), ("returns", returns, (1, 2))):
        if not chosen or not set(chosen) <= set(known):
            raise ValueError(f"{name}.{field}: expected some of {known}, got {tuple(chosen)}")
    return tuple(sorted(lasers)), tuple(sorted(returns))


def join_returns(
    images: Iterable[ReturnImage],
    calibration: Callable[[int], LidarCalibration],
    pixel_poses: np.ndarray | None,
    world_from_vehicle: np.ndarray,
    blame: Blame,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points, scanners, returns, marks of no-label zones and labels of all images, as a frame has them.

    Args:
        images: In the order of the frame.
        calibration: Of a scanner.
        pixel_poses: [H, W, 6] of the top scanner; None if it is not among the images.
        world_from_vehicle: [4, 4] of the frame.
        blame: Names the place of an image in its file.

    Raises:
        DataError: If images do not fit the calibration or one another, or a point is not finite.
    """
    vehicle_from_world = np.linalg.inv(world_from_vehicle)
    parts = [(np.zeros((0, 5), np.float32), *np.zeros((2, 0), np.int8), np.zeros(0, bool), np.zeros((0, 2), np.int32))]
    for each in images:
        poses = pixel_poses if each.laser == TOP else None
        try:
            points, pixels = range_image_points(each.image, calibration(each.laser), poses, vehicle_from_world)
        except DataError:
            raise
        except ValueError as error:
            expected = f"images of one size, as calibration and poses have it ({each.name})"
            raise blame(each, "shape", str(error), expected) from None
        if not np.isfinite(points).all():
            raise blame(each, "values", f"a point of {each.name} is not finite", "finite numbers")
        zones = each.image.reshape(-1, CHANNELS)[pixels, 3] > 0
        marks = (np.full(len(points), mark, np.int8) for mark in (each.laser, each.number))
        parts.append((points, *marks, zones, _labels(each, pixels, blame)))
    points, lasers, returns, zones, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return points, lasers, returns, zones, labels


def _labels(each: ReturnImage, pixels: np.ndarray, blame: Blame) -> np.ndarray:
    """[N, 2] of the pixels with a point; 0 if the image has no labels."""
    if each.labels is None:
        return np.zeros((len(pixels), 2), np.int32)
    if each.labels.shape[:2] != each.image.shape[:2]:
        problem = f"an image of {list(each.labels.shape)}"
        raise blame(each, "labels", problem, f"{list(each.image.shape[:2])}, 2")
    return each.labels.reshape(-1, 2)[pixels].astype(np.int32)
