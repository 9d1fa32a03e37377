"""``split/<name>/``: which nodes, graphs or links are for training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formerdata.graphs import Splits
from formerdata.ogb.arrays import as_whole, read_pt
from formerdata.ogb.csv_files import needed, read_whole_numbers, write_numbers, write_words
from formerdata.ogb.labels import types_marked
from formerdata.ogb.links import LinkSplits, link_part
from formerkit.io import DataError

PARTS = ("train", "valid", "test")


def read_splits(folder: Path, count: int) -> Splits:
    """Of nodes or graphs, from ``split_dict.pt`` or three CSV files.

    Raises:
        DataError: If a file is absent or damaged, or a part is empty, overlaps another or names something absent.
    """
    path = _folder(folder) / "split_dict.pt"
    if path.is_file():
        parts = {part: _indices(value, path, part) for part, value in _three(read_pt(path), path).items()}
        return Splits(**parts).checked(count, str(path))
    return Splits(**{part: _column(folder, part) for part in PARTS}).checked(count, str(folder))


def read_splits_by_type(folder: Path, num_nodes: Mapping[str, int]) -> dict[str, Splits]:
    """Of the nodes of some types.

    Raises:
        DataError: As :func:`read_splits`; also on an unknown type, and if there is none.
    """
    path = _folder(folder) / "split_dict.pt"
    if path.is_file():
        three = _three(read_pt(path), path)
        kinds: list[str] = list(three["train"]) if isinstance(three["train"], Mapping) else []
        if not all(isinstance(value, Mapping) and set(value) == set(kinds) for value in three.values()):
            raise DataError(path, "types differ", field="split", expected="the same types of nodes in each part")
        found = {k: {part: _indices(three[part][k], path, f"{part}.{k}") for part in PARTS} for k in kinds}
    else:
        path = needed(folder, "nodetype-has-split")
        found = {kind: {part: _column(folder / kind, part) for part in PARTS} for kind in types_marked(path)}
    if not found:
        raise DataError(path, "no type of node is split", field="split", expected="at least one")
    if unknown := set(found) - set(num_nodes):
        raise DataError(path, f"unknown types {sorted(unknown)}", field="split", expected=f"{list(num_nodes)}")
    return {kind: Splits(**three).checked(num_nodes[kind], f"{path} ({kind})") for kind, three in found.items()}


def read_links(folder: Path, num_nodes: int | Mapping[str, int], *, directed: bool) -> LinkSplits:
    """Of links, from ``split_dict.pt`` or ``train.pt``, ``valid.pt`` and ``test.pt``.

    Raises:
        DataError: If a file is absent or damaged, or as :meth:`LinkSplits.checked` says.
    """
    path = _folder(folder) / "split_dict.pt"
    if path.is_file():
        parts = {part: link_part(value, path, part) for part, value in _three(read_pt(path), path).items()}
    else:
        parts = {part: link_part(read_pt(folder / f"{part}.pt"), folder / f"{part}.pt", part) for part in PARTS}
    return LinkSplits(**parts).checked(num_nodes, str(folder), directed=directed)


def _folder(folder: Path) -> Path:
    if not folder.is_dir():
        others = sorted(path.name for path in folder.parent.glob("*") if path.is_dir())
        raise DataError(folder, "the folder is absent", field="split", expected=f"one of {others or 'no splits'}")
    return folder


def _three(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not set(PARTS) <= set(value):
        found = list(value) if isinstance(value, Mapping) else type(value).__name__
        raise DataError(path, f"holds {found}", field="split", expected="a dict of train, valid and test")
    return {part: value[part] for part in PARTS}


def _indices(value: Any, path: Path, part: str) -> Tensor:
    indices = as_whole(value, path, f"split {part}")
    return indices[:, 0] if indices.ndim == 2 and indices.shape[1] == 1 else indices


def _column(folder: Path, part: str) -> Tensor:
    path = needed(folder, part)
    values = read_whole_numbers(path)
    if values.size and values.shape[1] != 1:
        raise DataError(path, f"{values.shape[1]} columns", field=f"split {part}", expected="one")
    return torch.from_numpy(values.reshape(-1))


def write_splits(folder: Path, splits: Splits, *, binary: bool) -> None:
    """Write splits of nodes or graphs.

    Binary splits hold tensors, not the numpy arrays of OGB's own files: torch from 2.6 on loads them without leave.
    """
    parts = {part: getattr(splits, part) for part in PARTS}
    folder.mkdir(parents=True, exist_ok=True)
    if binary:
        torch.save({part: value.clone() for part, value in parts.items()}, folder / "split_dict.pt")
        return
    for part, value in parts.items():
        write_numbers(folder / f"{part}.csv.gz", value.numpy())


def write_splits_by_type(folder: Path, splits: Mapping[str, Splits], kinds: list[str], *, binary: bool) -> None:
    """Write splits of the nodes of some types."""
    folder.mkdir(parents=True, exist_ok=True)
    if binary:
        by_part = {part: {kind: getattr(value, part).clone() for kind, value in splits.items()} for part in PARTS}
        torch.save(by_part, folder / "split_dict.pt")
        return
    write_words(folder / "nodetype-has-split.csv.gz", [kinds, [str(kind in splits) for kind in kinds]])
    for kind, value in splits.items():
        write_splits(folder / kind, value, binary=False)


def write_links(folder: Path, splits: LinkSplits, *, binary: bool) -> None:
    """Write splits of links: one file for all parts (binary), or one for each."""
    parts = {part: _owned(getattr(splits, part).as_dict()) for part in PARTS}
    folder.mkdir(parents=True, exist_ok=True)
    if binary:
        torch.save(parts, folder / "split_dict.pt")
        return
    for part, value in parts.items():
        torch.save(value, folder / f"{part}.pt")


def _owned(values: dict[str, Any]) -> dict[str, Any]:
    """Copies: torch.save writes the whole storage that a view looks into."""
    return {name: value.clone() if torch.is_tensor(value) else value for name, value in values.items()}
