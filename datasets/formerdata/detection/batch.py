"""Batches of samples as torch tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from formerdata.detection.sample import Sample


@dataclass(frozen=True)
class Batch:
    """Samples of a batch, B of them.

    Attributes:
        points: [P, 4 + F] float32: sample index, x, y, z, features.
        boxes: [B, M, 7] float32, zero padded; [B, M, 9] with velocities.
        labels: [B, M] int64, 1-based; 0 is padding.
        frames: What the data set knows of each sample (:class:`~formerdata.detection.Sample`'s ``info``).
    """

    points: Tensor
    boxes: Tensor
    labels: Tensor
    frames: tuple[Any, ...]

    @property
    def batch_size(self) -> int:
        return len(self.frames)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same on another device."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same in page-locked memory (torch's loader calls this)."""
        return self._mapped(lambda tensor: tensor.pin_memory())

    def _mapped(self, function) -> Batch:  # type: ignore[no-untyped-def]
        return replace(self, points=function(self.points), boxes=function(self.boxes), labels=function(self.labels))


def collate(samples: Sequence[Sample]) -> Batch:
    """Put samples together; all must have as many features and their boxes as many numbers."""
    most = max((len(sample.boxes) for sample in samples), default=0)
    numbers = samples[0].boxes.shape[1] if samples else 7
    boxes = np.zeros((len(samples), most, numbers), dtype=np.float32)
    labels = np.zeros((len(samples), most), dtype=np.int64)
    width = 1 + samples[0].points.shape[1] if samples else 4
    points = np.empty((sum(len(sample.points) for sample in samples), width), dtype=np.float32)
    begin = 0
    for i, sample in enumerate(samples):
        boxes[i, : len(sample.boxes)] = sample.boxes
        labels[i, : len(sample.labels)] = sample.labels
        rows = slice(begin, begin + len(sample.points))
        points[rows, 0] = i
        points[rows, 1:] = sample.points
        begin = rows.stop
    frames = tuple(sample.info for sample in samples)
    return Batch(torch.from_numpy(points), torch.from_numpy(boxes), torch.from_numpy(labels), frames)
