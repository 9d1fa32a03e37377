"""The Waymo Open Dataset's v2 layout (Parquet): reading, checking, indexing and writing, without TensorFlow."""

from formerdata.waymo.boxes import WaymoBoxes, concatenate_boxes, empty_boxes
from formerdata.waymo.dataset import WaymoDataset, WaymoInfo, waymo_augmentations
from formerdata.waymo.frames import WaymoFrames
from formerdata.waymo.index import SegmentIndex, build_index, cached_index
from formerdata.waymo.layout import component_path, is_labelled, segments, split_folders
from formerdata.waymo.range_image import LidarCalibration, range_image_points
from formerdata.waymo.schema import BOX_TYPES, COMPONENTS, LASERS, TOP
from formerdata.waymo.segment import WaymoFrame, WaymoSegment
from formerdata.waymo.write import RawFrame, SegmentWriter

__all__ = [
    "BOX_TYPES",
    "COMPONENTS",
    "LASERS",
    "TOP",
    "LidarCalibration",
    "RawFrame",
    "SegmentIndex",
    "SegmentWriter",
    "WaymoBoxes",
    "WaymoDataset",
    "WaymoFrame",
    "WaymoFrames",
    "WaymoInfo",
    "WaymoSegment",
    "build_index",
    "cached_index",
    "component_path",
    "concatenate_boxes",
    "empty_boxes",
    "is_labelled",
    "range_image_points",
    "segments",
    "split_folders",
    "waymo_augmentations",
]
