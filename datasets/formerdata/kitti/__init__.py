"""KITTI object detection: reading, checking, augmenting and batching the official layout."""

from formerdata.detection import (
    Batch,
    GlobalRotation,
    GlobalScaling,
    GlobalTranslation,
    RandomFlip,
    Sample,
    collate,
    load_batches,
)
from formerdata.kitti.augment import Augmentations, GroundTruthSampling
from formerdata.kitti.calibration import Calibration, read_calibration
from formerdata.kitti.conversion import boxes_from_objects, image_boxes, objects_from_boxes
from formerdata.kitti.dataset import KittiDataset
from formerdata.kitti.files import Layout, image_shape, looks_like_kitti, read_plane, read_scan, read_split
from formerdata.kitti.frame import Frame, FrameInfo, in_field_of_view, read_frame
from formerdata.kitti.objects import (
    CLASS_NAMES,
    Objects,
    format_objects,
    parse_objects,
    read_labels,
    read_objects,
    write_objects,
)

__all__ = [
    "CLASS_NAMES",
    "Augmentations",
    "Batch",
    "Calibration",
    "Frame",
    "FrameInfo",
    "GlobalRotation",
    "GlobalScaling",
    "GlobalTranslation",
    "GroundTruthSampling",
    "KittiDataset",
    "Layout",
    "Objects",
    "RandomFlip",
    "Sample",
    "boxes_from_objects",
    "collate",
    "format_objects",
    "image_boxes",
    "image_shape",
    "in_field_of_view",
    "load_batches",
    "looks_like_kitti",
    "objects_from_boxes",
    "parse_objects",
    "read_calibration",
    "read_frame",
    "read_labels",
    "read_objects",
    "read_plane",
    "read_scan",
    "read_split",
    "write_objects",
]
