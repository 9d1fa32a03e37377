"""Splits of data sets whose graphs stand in the order training, validation, test."""

from __future__ import annotations

import torch

from formerdata.graphs.packed import Splits


def consecutive(*, train: int, valid: int, test: int) -> Splits:
    """The first ``train`` graphs for training, the next ``valid`` for validation, the last ``test`` for test.

    Raises:
        ValueError: If one of them is below 1.
    """
    for name, count in (("train", train), ("valid", valid), ("test", test)):
        if count < 1:
            raise ValueError(f"{name}: expected at least 1 graph, got {count}")
    return Splits(*torch.arange(train + valid + test).split([train, valid, test]))
