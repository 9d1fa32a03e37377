"""A scan with its objects, on its way to a detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One scan of a data set.

    Attributes:
        points: [N, 3 + F] float32 x, y, z (m) and F features.
        boxes: [M, 7] float32 x, y, z of the centre, dx, dy, dz, heading, m and rad; or [M, 9] with the velocity
            (vx, vy) behind, m/s.
        labels: [M] int64, 1-based; 0 marks boxes of classes that are not detected (only until others have been pasted).
        info: What the data set knows of the scan besides, such as its labels as they are scored.
    """

    points: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    info: Any
