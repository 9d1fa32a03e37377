"""Argoverse 2's sensor data set: sweeps, annotations and poses from its feather files; the form of submissions."""

from formerdata.argoverse2.boxes import Argoverse2Boxes, empty_boxes
from formerdata.argoverse2.dataset import Argoverse2Dataset, Argoverse2Info, argoverse2_augmentations
from formerdata.argoverse2.feather import read_columns, write_columns
from formerdata.argoverse2.files import (
    LogFolder,
    is_labelled,
    log_folders,
    read_annotations,
    read_poses,
    read_sweep,
)
from formerdata.argoverse2.frames import Argoverse2Frame, Argoverse2Frames
from formerdata.argoverse2.index import LogIndex, SplitIndex, build_log_index, cached_log_index, cached_split_index
from formerdata.argoverse2.maps import map_file, read_drivable_areas
from formerdata.argoverse2.objects import (
    Argoverse2Objects,
    concatenate_objects,
    labels_of_sweep,
    objects_of_sweep,
)
from formerdata.argoverse2.schema import ANNOTATION_CATEGORIES, CATEGORIES, CATEGORY_NUMBERS, LEFT_OUT
from formerdata.argoverse2.submission import read_labels, read_submission, write_submission

__all__ = [
    "ANNOTATION_CATEGORIES",
    "CATEGORIES",
    "CATEGORY_NUMBERS",
    "LEFT_OUT",
    "Argoverse2Boxes",
    "Argoverse2Dataset",
    "Argoverse2Frame",
    "Argoverse2Frames",
    "Argoverse2Info",
    "Argoverse2Objects",
    "LogFolder",
    "LogIndex",
    "SplitIndex",
    "argoverse2_augmentations",
    "build_log_index",
    "cached_log_index",
    "cached_split_index",
    "concatenate_objects",
    "empty_boxes",
    "is_labelled",
    "labels_of_sweep",
    "log_folders",
    "map_file",
    "objects_of_sweep",
    "read_annotations",
    "read_columns",
    "read_drivable_areas",
    "read_labels",
    "read_poses",
    "read_submission",
    "read_sweep",
    "write_columns",
    "write_submission",
]
