"""Which graphs belong to which part of a split: the index files of Benchmarking-GNNs, and of GIN and DGCNN."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from formerdata.graphs.packed import Splits
from formerdata.graphs.tables import read_integers, read_lines
from formerkit.io import DataError


def read_index_lists(path: str | os.PathLike[str]) -> list[Tensor]:
    """[n] int64 for each line of a file of comma-separated positions, counted from 0.

    Raises:
        DataError: If the file is absent or empty, or an entry is no integer from 0; it names the line.
    """
    lists = []
    for number, line in enumerate(read_lines(path), 1):
        words = [word.strip() for word in line.split(",")]
        wrong = next((word for word in words if not (word.isascii() and word.isdecimal())), None)
        if wrong is not None:
            raise DataError(path, repr(wrong), line=number, expected="integers from 0, with commas between")
        lists.append(torch.tensor([int(word) for word in words], dtype=torch.int64))
    return lists


def read_index_splits(folder: str | os.PathLike[str], name: str, count: int) -> list[Splits]:
    """The folds of ``NAME_train.index``, ``NAME_val.index`` and ``NAME_test.index``, a line each.

    Args:
        folder: Where they are.
        name: What their names begin with.
        count: Graphs of the data set.

    Raises:
        DataError: As :func:`read_index_lists`; if the files have different numbers of lines; or if a fold names
            something twice or something absent, or its parts overlap.
    """
    stem = Path(folder) / name
    parts = [read_index_lists(f"{stem}_{part}.index") for part in ("train", "val", "test")]
    if len({len(lists) for lists in parts}) > 1:
        raise DataError(f"{stem}_*.index", f"{[len(lists) for lists in parts]} lines", expected="a line for each fold")
    folds = enumerate(zip(*parts, strict=True), 1)
    return [Splits(*fold).checked(count, f"{stem}_*.index, line {number}") for number, fold in folds]


def read_ten_folds(folder: str | os.PathLike[str], count: int) -> list[tuple[Tensor, Tensor]]:
    """Training and test graphs of ten folds, ``train_idx-K.txt`` and ``test_idx-K.txt``, K from 1 to 10.

    The files have one position a line, counted from 0; there is nothing for validation in them.

    Raises:
        DataError: If a file is absent or wrong, or a fold does not have each of ``count`` graphs once.
    """
    folds = []
    for number in range(1, 11):
        paths = [Path(folder) / f"{part}_idx-{number}.txt" for part in ("train", "test")]
        train, test = (torch.from_numpy(read_integers(path, columns=1)[:, 0]) for path in paths)
        if not torch.equal(torch.cat([train, test]).sort().values, torch.arange(count)):
            raise DataError(
                paths[1], f"fold {number}", expected=f"each of {count} graphs once in {paths[0].name} or here"
            )
        folds.append((train, test))
    return folds
