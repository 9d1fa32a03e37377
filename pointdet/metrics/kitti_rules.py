"""Which objects count: KITTI's rules of class, difficulty and neutrality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from formerdata.kitti import Objects

METRICS = ("bbox", "bev", "3d")
DIFFICULTIES = ("easy", "moderate", "hard")
DONT_CARE = "DontCare"

_MIN_HEIGHT = (40.0, 25.0, 25.0)
_MAX_OCCLUSION = (0, 1, 2)
_MAX_TRUNCATION = (0.15, 0.30, 0.50)

COUNTS, IGNORED, OTHER = 0, 1, -1
"""Flags: the object counts; it may be matched without being counted; it plays no part."""


@dataclass(frozen=True)
class ClassRule:
    """How a class is scored.

    Attributes:
        neutral: A class that looks alike: detections of such an object are neither right nor wrong. Empty if none.
        strict: Smallest overlaps in bbox, bev and 3d.
        loose: The second set that is usually printed.
    """

    neutral: str
    strict: tuple[float, float, float]
    loose: tuple[float, float, float]


CLASS_RULES = {
    "Car": ClassRule("Van", (0.7, 0.7, 0.7), (0.7, 0.5, 0.5)),
    "Pedestrian": ClassRule("Person_sitting", (0.5, 0.5, 0.5), (0.5, 0.25, 0.25)),
    "Cyclist": ClassRule("", (0.5, 0.5, 0.5), (0.5, 0.25, 0.25)),
    "Van": ClassRule("", (0.7, 0.7, 0.7), (0.7, 0.5, 0.5)),
    "Person_sitting": ClassRule("", (0.5, 0.5, 0.5), (0.5, 0.25, 0.25)),
    "Truck": ClassRule("", (0.7, 0.7, 0.7), (0.5, 0.5, 0.5)),
}
"""The classes that have rules."""


def canonical_names(names: np.ndarray) -> np.ndarray:
    """Names as the rules spell them; the official tool does not look at upper and lower case."""
    spelling = {name.lower(): name for name in (*CLASS_RULES, DONT_CARE)}
    kinds, which = np.unique(names.astype(np.str_), return_inverse=True)
    return np.array([spelling.get(str(kind).lower(), str(kind)) for kind in kinds], dtype=np.str_)[which]


def truth_flags(truth: Objects, name: str, level: int) -> np.ndarray:
    """[G] int8 flags of true objects for a class and a difficulty (0 easy, 1 moderate, 2 hard)."""
    own = truth.names == name
    alike = truth.names == CLASS_RULES[name].neutral
    height = truth.bbox[:, 3] - truth.bbox[:, 1]
    too_hard = (
        (truth.occluded > _MAX_OCCLUSION[level])
        | (truth.truncated > _MAX_TRUNCATION[level])
        | (height <= _MIN_HEIGHT[level])
    )
    flags = np.full(len(truth), OTHER, dtype=np.int8)
    flags[alike | (own & too_hard)] = IGNORED
    flags[own & ~too_hard] = COUNTS
    return flags


def detection_flags(found: Objects, name: str, level: int) -> np.ndarray:
    """[D] int8 flags of detections; one that is too small is ignored whatever its class."""
    flags = np.where(found.names == name, COUNTS, OTHER).astype(np.int8)
    flags[np.abs(found.bbox[:, 3] - found.bbox[:, 1]) < _MIN_HEIGHT[level]] = IGNORED
    return flags
