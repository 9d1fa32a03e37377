"""KITTI's training augmentations in the reference's order: paste objects, flip, rotate, scale, move.

All randomness comes from the generator that they are called with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from formerdata.detection.augmentations import Augmentations as AnyAugmentations
from formerdata.detection.objects import ObjectDatabase
from formerdata.detection.sample import Sample
from formerdata.detection.sampling import ObjectSampling
from formerdata.kitti.calibration import Calibration
from formerdata.kitti.objects import CLASS_NAMES


@dataclass(frozen=True)
class GroundTruthSampling(ObjectSampling):
    """Paste objects of other frames into this one (Yan et al., 2018): those that have a difficulty.

    Attributes:
        counts: Objects drawn of each class.
        min_points: An object must have as many: one number, or one for each class.
        limit_whole_scene: Draw ``counts`` less what the frame already holds; by default ``counts`` whatever it holds.
        epochs: In so many epochs objects are pasted; None for all.
        use_road_plane: Stand pasted objects on the road plane, where the frame has one.
    """

    counts: Mapping[str, int] = field(default_factory=lambda: {"Car": 15, "Pedestrian": 10, "Cyclist": 10})
    min_points: int | Mapping[str, int] = 5
    limit_whole_scene: bool = False
    use_road_plane: bool = True

    def __post_init__(self) -> None:
        self.check_classes(CLASS_NAMES[:-1])
        super().__post_init__()

    def candidates(self, database: ObjectDatabase, name: str) -> np.ndarray:
        """Objects with enough points and a difficulty, in the order of the frames."""
        enough = np.sort(super().candidates(database, name))
        return enough if database.difficulty is None else enough[database.difficulty[enough] >= 0]

    def draw(self, candidates: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
        """The first of all in random order: KITTI has few, and a run draws as those before it did."""
        return generator.permutation(candidates)[:count]

    def placed(self, boxes: np.ndarray, sample: Sample) -> np.ndarray:
        """The boxes on the road plane."""
        if self.use_road_plane and sample.info.plane is not None:
            boxes[:, 2] -= height_above_plane(boxes, sample.info.plane, sample.info.calibration)
        return boxes


def height_above_plane(boxes: np.ndarray, plane: np.ndarray, calibration: Calibration) -> np.ndarray:
    """[M] height of the boxes' bottoms over the road plane, m, along the LiDAR's z."""
    centre = calibration.lidar_to_rect(boxes[:, :3])
    a, b, c, d = plane
    ground = np.column_stack([centre[:, 0], (-d - a * centre[:, 0] - c * centre[:, 2]) / b, centre[:, 2]])
    return boxes[:, 2] - boxes[:, 5] / 2 - calibration.rect_to_lidar(ground)[:, 2]


@dataclass(frozen=True)
class Augmentations(AnyAugmentations):
    """All of them, in the reference's order; None leaves one out.

    Attributes:
        sampling: Pasting of objects, which comes first.
        flip, rotation, scaling, translation, epochs: Of the whole scene.
    """

    sampling: GroundTruthSampling | None = field(default_factory=GroundTruthSampling)
