"""What follows from the parts of a data set and those that are learnt from."""

from __future__ import annotations

import hashlib
from typing import get_args

import torch
from formerdata.graphs import Splits
from torch import Tensor

from graphformers.tasks.task import Part


class OfParts:
    """A task whose samples, nodes or graphs, are divided into parts.

    Attributes:
        splits: Samples of each part.
        learnt_from: Parts whose targets training sees.
    """

    splits: Splits
    learnt_from: tuple[Part, ...]

    @property
    def labels_seen(self) -> tuple[Part, ...]:
        """Parts whose targets the model sees: none but those that it learns from."""
        return self.learnt_from

    @property
    def part_sizes(self) -> tuple[int, int, int]:
        """Samples for training, validation and test."""
        return len(self.splits.train), len(self.splits.valid), len(self.splits.test)

    @property
    def training_ids(self) -> Tensor:
        """Samples whose targets training sees."""
        return torch.cat([getattr(self.splits, part) for part in self.learnt_from])

    @property
    def splits_sha256(self) -> str:
        """Of the parts, to tell whether two runs had the same."""
        digest = hashlib.sha256()
        for part in get_args(Part):
            digest.update(part.encode() + getattr(self.splits, part).numpy().tobytes())
        return digest.hexdigest()
