"""Predictions of the nodes of a graph on disk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from formerdata.graphs import Splits
from formerdata.store import GraphStore
from torch import Tensor

from formerkit.io import DataError
from graphformers.losses import Loss
from graphformers.tasks.metric import Metric


@dataclass(frozen=True)
class StoredTask:
    """What is to be predicted of a graph that need not fit in memory; tokens make it trainable.

    Attributes:
        store: The graph, with features, labels and parts.
        loss: What training makes small.
        metric: What is reported.
        outputs: Classes, or numbers of a node.
        source: Where the data come from, for people; "built-in" if they were generated.
    """

    store: GraphStore
    loss: Loss
    metric: Metric
    outputs: int
    source: str

    def checked(self) -> StoredTask:
        """Itself, if the store has all that training needs.

        Raises:
            DataError: Which names what is absent.
        """
        for name in ("features", "labels", "splits"):
            if getattr(self.store, name) is None:
                raise DataError(self.store.path, "is absent", field=name, expected="features, labels and splits")
        return self

    @property
    def y(self) -> Tensor:
        """[N] int64 classes, or [N, T] float32, in memory."""
        labels = self.store.labels
        assert labels is not None
        values = torch.from_numpy(np.array(labels))
        return values.long() if values.ndim == 1 else values.float()

    @property
    def splits(self) -> Splits:
        """Nodes of each part."""
        splits = self.store.splits
        assert splits is not None
        return splits
