"""Waymo Open Dataset: the files of its evaluation and submission."""

from formerdata.waymo.objects import TYPE_NAMES, WaymoObjects, concatenate, empty_objects, objects_of_frame
from formerdata.waymo.objects_file import (
    NoLabelZone,
    format_objects,
    parse_objects,
    read_objects,
    read_zones,
    write_objects,
)
from formerdata.waymo.submission import SubmissionInfo, read_submission, write_submission

__all__ = [
    "TYPE_NAMES",
    "NoLabelZone",
    "SubmissionInfo",
    "WaymoObjects",
    "concatenate",
    "empty_objects",
    "format_objects",
    "objects_of_frame",
    "parse_objects",
    "read_objects",
    "read_submission",
    "read_zones",
    "write_objects",
    "write_submission",
]
