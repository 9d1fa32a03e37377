"""What a detector says about one sample."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Detections:
    """Detections of one sample, best first.

    Attributes:
        boxes: [K, 7] float32 (x, y, z, dx, dy, dz, heading), LiDAR frame, m and rad; [K, 9] with (vx, vy) behind, m/s,
            from a head that predicts velocities.
        scores: [K] float32 in 0 .. 1.
        labels: [K] int64, 1-based class.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return self.boxes.shape[0]
