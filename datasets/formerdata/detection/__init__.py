"""What data sets of LiDAR scans have in common: samples, batches, loading, changes of whole scenes."""

from formerdata.detection.augment import (
    GlobalRotation,
    GlobalScaling,
    GlobalTranslation,
    RandomFlip,
    SceneAugmentations,
)
from formerdata.detection.batch import Batch, collate
from formerdata.detection.loader import FrameSet, load_batches
from formerdata.detection.sample import Sample

__all__ = [
    "Batch",
    "FrameSet",
    "GlobalRotation",
    "GlobalScaling",
    "GlobalTranslation",
    "RandomFlip",
    "Sample",
    "SceneAugmentations",
    "collate",
    "load_batches",
]
