"""Splits: from masks, drawn at random, drawn class by class, or one part after another."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from formerdata.graphs.packed import Splits
from formerkit.seeds import generator


def split_from_masks(path: str | os.PathLike[str], train: Tensor, valid: Tensor, test: Tensor) -> Splits:
    """The split that three [n] bool masks give.

    Raises:
        DataError: If one is empty or two overlap; it names ``path``.
    """
    parts = (mask.nonzero().flatten() for mask in (train, valid, test))
    return Splits(*parts).checked(len(train), str(path))


def random_split(count: int, seed: int, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)) -> Splits:
    """A split drawn without looking at anything; a pure function of its arguments.

    Sizes are rounded down for training and validation; what is left is for testing.

    Raises:
        ValueError: If the fractions are no positive numbers with the sum 1.
        DataError: If so few are there that a part is empty.
    """
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"fractions: expected three positive numbers with the sum 1, got {fractions}")
    order = torch.from_numpy(generator(seed, "random split", count).permutation(count))
    # A tenth of 30 is 3, not 2: products such as 0.8 * 10 may fall short by a rounding error.
    train, valid = (int(part * count + 1e-9) for part in fractions[:2])
    parts = (order[:train], order[train : train + valid], order[train + valid :])
    return Splits(*(part.sort().values for part in parts)).checked(count, "random split")


def random_split_of(nodes: Tensor, seed: int, fractions: tuple[float, float, float]) -> Splits:
    """Some of the nodes [n], in parts as :func:`random_split` draws them.

    Raises:
        ValueError, DataError: As there.
    """
    drawn = random_split(len(nodes), seed, fractions)
    return Splits(nodes[drawn.train], nodes[drawn.valid], nodes[drawn.test])


def split_per_class(y: Tensor, seed: int, *, train: int = 20, valid: int = 30) -> Splits:
    """So many nodes of each class for training and for validation, the rest for testing.

    With 20 and 30 this is the protocol of Shchur et al., *Pitfalls of Graph Neural Network Evaluation* (2018). A pure
    function of its arguments. Nodes with a negative class (unknown) are in no part.

    Args:
        y: [N] int64 classes.
        seed: Of the draw.
        train, valid: Nodes of each class.

    Raises:
        ValueError: If ``y`` is no list of integers, or a class has not even one node left for testing.
    """
    if y.ndim != 1 or y.is_floating_point():
        raise ValueError(f"y: expected [N] integers, got {tuple(y.shape)} {y.dtype}")
    parts: tuple[list[Tensor], ...] = ([], [], [])
    for number in y[y >= 0].unique().tolist():
        members = (y == number).nonzero().flatten()
        if len(members) <= train + valid:
            raise ValueError(f"y: class {number} has {len(members)} nodes, expected more than {train + valid}")
        order = members[torch.from_numpy(generator(seed, "split per class", number).permutation(len(members)))]
        for part, chosen in zip(parts, order.tensor_split([train, train + valid]), strict=True):
            part.append(chosen)
    return Splits(*(torch.cat(part).sort().values for part in parts)).checked(len(y), "split per class")


def consecutive(*, train: int, valid: int, test: int) -> Splits:
    """The first ``train`` graphs for training, the next ``valid`` for validation, the last ``test`` for test.

    Raises:
        ValueError: If one of them is below 1.
    """
    for name, count in (("train", train), ("valid", valid), ("test", test)):
        if count < 1:
            raise ValueError(f"{name}: expected at least 1 graph, got {count}")
    return Splits(*torch.arange(train + valid + test).split([train, valid, test]))
