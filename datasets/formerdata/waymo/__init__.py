"""The Waymo Open Dataset: both releases (v1 TFRecord, v2 Parquet), files of evaluation; no TensorFlow."""

from formerdata.waymo.boxes import WaymoBoxes, concatenate_boxes, empty_boxes
from formerdata.waymo.dataset import WaymoDataset, WaymoInfo, waymo_augmentations
from formerdata.waymo.frame import WaymoFrame
from formerdata.waymo.frames import WaymoFrames
from formerdata.waymo.index import SegmentIndex, build_index, cached_index
from formerdata.waymo.layout import component_path, is_labelled, record_files, segments, split_folders
from formerdata.waymo.objects import TYPE_NAMES, WaymoObjects, concatenate_objects, empty_objects, objects_of_frame
from formerdata.waymo.objects_file import (
    NoLabelZone,
    format_objects,
    parse_objects,
    read_objects,
    read_zones,
    write_objects,
)
from formerdata.waymo.range_image import LidarCalibration, range_image_points
from formerdata.waymo.record_context import SegmentStats
from formerdata.waymo.record_frame import RecordFrame, parse_frame
from formerdata.waymo.record_segment import RecordSegment
from formerdata.waymo.records import RecordIndex, build_record_index, cached_record_index
from formerdata.waymo.schema import BOX_TYPES, COMPONENTS, LASERS, TOP
from formerdata.waymo.segment import WaymoSegment
from formerdata.waymo.submission import SubmissionInfo, read_submission, write_submission
from formerdata.waymo.write import RawFrame, SegmentWriter

__all__ = [
    "BOX_TYPES",
    "COMPONENTS",
    "LASERS",
    "TOP",
    "TYPE_NAMES",
    "LidarCalibration",
    "NoLabelZone",
    "RawFrame",
    "RecordFrame",
    "RecordIndex",
    "RecordSegment",
    "SegmentIndex",
    "SegmentStats",
    "SegmentWriter",
    "SubmissionInfo",
    "WaymoBoxes",
    "WaymoDataset",
    "WaymoFrame",
    "WaymoFrames",
    "WaymoInfo",
    "WaymoObjects",
    "WaymoSegment",
    "build_index",
    "build_record_index",
    "cached_index",
    "cached_record_index",
    "component_path",
    "concatenate_boxes",
    "concatenate_objects",
    "empty_boxes",
    "empty_objects",
    "format_objects",
    "is_labelled",
    "objects_of_frame",
    "parse_frame",
    "parse_objects",
    "range_image_points",
    "read_objects",
    "read_submission",
    "read_zones",
    "record_files",
    "segments",
    "split_folders",
    "waymo_augmentations",
    "write_objects",
    "write_submission",
]
