"""Labelled and detected objects of ONCE's frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLASS_NAMES = ("Car", "Bus", "Truck", "Pedestrian", "Cyclist")
"""All labelled classes, in the order of the published configurations."""


@dataclass(frozen=True)
class ONCEBoxes:
    """Objects of one frame, one row an object. M objects.

    Attributes:
        names: [M] str, of :data:`CLASS_NAMES`.
        boxes: [M, 7] float64 x, y, z of the centre, length, width, height (m), heading (rad, counter-clockwise from
            +x); in ONCE's LiDAR frame: x left, y back, z up.
        scores: [M] float64; None in labels.
    """

    names: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)
