"""What data sets of LiDAR scans have in common: samples, batches, loading, augmentation."""

from formerdata.detection.augment import (
    GlobalRotation,
    GlobalScaling,
    GlobalTranslation,
    RandomFlip,
)
from formerdata.detection.augmentations import Augmentations
from formerdata.detection.batch import Batch, collate
from formerdata.detection.dataset import DetectionDataset
from formerdata.detection.loader import FrameSet, load_batches
from formerdata.detection.object_builder import LabelledFrame, build_objects
from formerdata.detection.object_cache import cached_objects, object_database
from formerdata.detection.objects import ObjectDatabase
from formerdata.detection.sample import Sample
from formerdata.detection.sampling import ObjectSampling

__all__ = [
    "Augmentations",
    "Batch",
    "DetectionDataset",
    "FrameSet",
    "GlobalRotation",
    "GlobalScaling",
    "GlobalTranslation",
    "LabelledFrame",
    "ObjectDatabase",
    "ObjectSampling",
    "RandomFlip",
    "Sample",
    "build_objects",
    "cached_objects",
    "collate",
    "load_batches",
    "object_database",
]
