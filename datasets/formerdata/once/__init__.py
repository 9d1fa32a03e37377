"""The ONCE data set: scans, poses and labels in its published layout."""

from formerdata.once.boxes import CLASS_NAMES, ONCEBoxes
from formerdata.once.dataset import ONCEDataset, ONCEInfo, once_augmentations
from formerdata.once.index import ONCEIndex, build_index, cached_index
from formerdata.once.layout import ONCELayout, split_sequences
from formerdata.once.sequence import SequenceFrame, read_sequence

__all__ = [
    "CLASS_NAMES",
    "ONCEBoxes",
    "ONCEDataset",
    "ONCEIndex",
    "ONCEInfo",
    "ONCELayout",
    "SequenceFrame",
    "build_index",
    "cached_index",
    "once_augmentations",
    "read_sequence",
    "split_sequences",
]
