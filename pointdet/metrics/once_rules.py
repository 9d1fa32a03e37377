"""ONCE's rules: which objects count for a class and a range, and at which scores precision is taken."""

from __future__ import annotations

import numpy as np

from pointdet.metrics.kitti_rules import COUNTS, IGNORED, OTHER

MIN_OVERLAP = {"Vehicle": 0.7, "Pedestrian": 0.3, "Cyclist": 0.5}
"""Scored classes to the 3D intersection over union that a match must exceed."""

MEMBERS = {"Vehicle": ("Car", "Bus", "Truck"), "Pedestrian": ("Pedestrian",), "Cyclist": ("Cyclist",)}
"""What each scored class is made of: to take a truck for a car is no error."""

RANGES = {"overall": (0.0, np.inf), "0-30": (0.0, 30.0), "30-50": (30.0, 50.0), "50+": (50.0, np.inf)}
"""Distances of a box's centre from the LiDAR in space, m; the upper end is outside."""

RECALL_POINTS = 50


def flags(names: np.ndarray, boxes: np.ndarray, scored: str, part: str) -> np.ndarray:
    """[N] int8 flags of labels or detections for a scored class and a range.

    What lies outside the range may be matched but does not count. As in the official tool, that is so for all classes:
    a detection whose partner is of another class and lies beyond the range's end is no false alarm.
    """
    low, high = RANGES[part]
    distance = np.sqrt((boxes[:, :3] ** 2).sum(1))
    marks = np.where(np.isin(names, MEMBERS[scored]), COUNTS, OTHER).astype(np.int8)
    marks[(distance < low) | (distance >= high)] = IGNORED
    return marks


def score_thresholds(scores: np.ndarray, num_truth: int) -> np.ndarray:
    """[<= 51] scores, falling, at which recall passes 0, 0.02 .. 1.

    Args:
        scores: Of the true positives, in any order. num_truth: Labels that count.

    Where the recalls of two true positives lie further apart than 0.02, the better one's score stands for all levels
    between: unlike KITTI's, a class with a few perfect detections reaches an AP of 1.
    """
    ordered = np.sort(scores)[::-1]
    chosen: list[float] = []
    level, step = 0.0, 1 / RECALL_POINTS
    for i, score in enumerate(ordered.tolist()):
        last = i == len(ordered) - 1
        here = (i + 1) / num_truth
        twice_middle = here + (here if last else (i + 2) / num_truth)
        if twice_middle < 2 * level and not last:
            continue
        chosen.append(score)
        level += step
        while twice_middle + 1e-6 > 2 * level:
            chosen.append(score)
            level += step
    return np.array(chosen[: RECALL_POINTS + 1])
