"""nuScenes: tables, scans with sweeps, labels with velocities, and the results file of its evaluation; no devkit."""

from formerdata.nuscenes.dataset import NuScenesDataset, nuscenes_augmentations
from formerdata.nuscenes.frames import NuScenesFrames, NuScenesInfo
from formerdata.nuscenes.index import NuScenesIndex, build_index, cached_index
from formerdata.nuscenes.objects import (
    NuScenesObjects,
    NuScenesTruth,
    boxes_in_lidar,
    concatenate_objects,
    concatenate_truth,
    likely_attributes,
    objects_from_lidar,
)
from formerdata.nuscenes.results import ResultsMeta, read_results, write_results
from formerdata.nuscenes.scan import merge_scans, read_scan
from formerdata.nuscenes.schema import ATTRIBUTES, CLASS_NAMES, CLASS_OF_CATEGORY, MAX_BOXES, TABLES
from formerdata.nuscenes.splits import split_scenes
from formerdata.nuscenes.tables import read_table
from formerdata.nuscenes.write import NuScenesWriter, RawBox, RawScan

__all__ = [
    "ATTRIBUTES",
    "CLASS_NAMES",
    "CLASS_OF_CATEGORY",
    "MAX_BOXES",
    "TABLES",
    "NuScenesDataset",
    "NuScenesFrames",
    "NuScenesIndex",
    "NuScenesInfo",
    "NuScenesObjects",
    "NuScenesTruth",
    "NuScenesWriter",
    "RawBox",
    "RawScan",
    "ResultsMeta",
    "boxes_in_lidar",
    "build_index",
    "cached_index",
    "concatenate_objects",
    "concatenate_truth",
    "likely_attributes",
    "merge_scans",
    "nuscenes_augmentations",
    "objects_from_lidar",
    "read_results",
    "read_scan",
    "read_table",
    "split_scenes",
    "write_results",
]
