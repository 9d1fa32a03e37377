"""What folders in OGB's layout hold, lack and have broken: ``python -m formerdata.ogb.check ROOT``.

ROOT is the folder of one data set (with ``raw/`` in it) or a folder of such folders. What OGB says of its own data
sets is known; others need the ``meta_dict.pt`` that ``write_task`` or OGB's ``DatasetSaver`` stores. Nothing is
written. The exit code is 1 if something is broken or missing, 2 if no data set is found.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formerdata.check_program import run_check
from formerdata.graphs import Splits
from formerdata.ogb.folder import check_release
from formerdata.ogb.hetero import HeteroGraph
from formerdata.ogb.hetero_raw import read_hetero
from formerdata.ogb.homogeneous import Raw, read_homogeneous
from formerdata.ogb.known import KNOWN
from formerdata.ogb.labels import read_labels, read_labels_by_type, read_sequences
from formerdata.ogb.links import LinkSplits
from formerdata.ogb.meta import OgbMeta
from formerdata.ogb.read import read_meta
from formerdata.ogb.splits import read_links, read_splits, read_splits_by_type
from formerkit.io import DataError


@dataclass
class Found:
    """One data set.

    Attributes:
        folder: Where it is.
        meta: What is known of it.
        lines: What it holds, one line each.
        problems: What is missing or broken, one line each.
    """

    folder: Path
    meta: OgbMeta | None = None
    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def attempt(self, function: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """What the function returns, or None and a problem."""
        try:
            return function(*args, **more)
        except (DataError, OSError) as error:
            self.problems.append(str(error))
            return None


def check_root(root: str | os.PathLike[str]) -> list[Found]:
    """Read everything in a folder and report.

    Raises:
        DataError: If it holds no data set.
    """
    root = Path(root)
    places = [root] if (root / "raw").is_dir() else sorted(path.parent for path in root.glob("*/raw") if path.is_dir())
    if not places:
        raise DataError(root, "no folder raw here or one below", expected="OGB's layout: NAME/{raw,split}")
    return [_check_one(place) for place in places]


def _check_one(folder: Path) -> Found:
    found = Found(folder)
    name = folder.resolve().name.removesuffix("_pyg")
    own = {meta.folder: meta for meta in KNOWN.values()}
    found.meta = meta = own[name] if name in own else found.attempt(read_meta, folder)
    if meta is None:
        return found
    found.lines.append(
        f"is       {meta.name}: {meta.task_type}, {meta.eval_metric}, {'npz' if meta.binary else 'CSV'}"
        f"{', several types' if meta.is_hetero else ''}"
    )
    found.attempt(check_release, folder, meta)
    sizes = [path.stat().st_size for path in (folder / "raw").rglob("*") if path.is_file()]
    found.lines.append(f"raw      {len(sizes)} files, {sum(sizes) / 2**20:,.1f} MB")
    (_check_hetero if meta.is_hetero else _check_homogeneous)(found, meta)
    return found


def _check_homogeneous(found: Found, meta: OgbMeta) -> None:
    raw: Raw | None = found.attempt(read_homogeneous, found.folder / "raw", meta)
    if raw is None:
        found.problems.append(f"{found.folder}: labels and splits were not looked at")
        return
    graphs = raw.graphs
    degree = graphs.num_edges / graphs.num_nodes
    found.lines.append(
        f"graphs   {len(graphs):,}, {graphs.num_nodes:,} nodes, {graphs.num_edges:,} edges "
        f"({degree:.1f} a node{', reverse added' if meta.add_inverse_edge else ''})"
    )
    held = {"node_feat": graphs.x, "edge_feat": graphs.edge_attr, **raw.node_arrays, **raw.edge_arrays}
    found.lines += [f"array    {name} {_shape(value)}" for name, value in held.items() if value is not None]
    rows = len(graphs) if meta.prefix == "ogbg" else graphs.num_nodes
    if meta.is_sequence:
        sequences = found.attempt(read_sequences, found.folder / "raw", rows)
        if sequences is not None:
            words = [len(sequence) for sequence in sequences]
            found.lines.append(f"labels   {len(sequences):,} sequences of {min(words)} to {max(words)} words")
    elif meta.prefix != "ogbl":
        found.lines += _labels("labels", found.attempt(read_labels, found.folder / "raw", meta, rows))
    for folder in _split_folders(found, meta):
        if meta.prefix == "ogbl":
            links = found.attempt(read_links, folder, graphs.num_nodes, directed=not meta.add_inverse_edge)
            found.lines += _links(folder.name, links)
        else:
            found.lines += _splits(folder.name, found.attempt(read_splits, folder, rows))


def _check_hetero(found: Found, meta: OgbMeta) -> None:
    graph: HeteroGraph | None = found.attempt(read_hetero, found.folder / "raw", meta)
    if graph is None:
        found.problems.append(f"{found.folder}: labels and splits were not looked at")
        return
    found.lines += [f"nodes    {kind} {count:,}" for kind, count in graph.num_nodes.items()]
    found.lines += [f"edges    {' '.join(triplet)} {count:,}" for triplet, count in graph.num_edges.items()]
    found.lines += [f"array    {name} of {', '.join(arrays)}" for name, arrays in graph.node_arrays.items()]
    found.lines += [f"array    {name} of {', '.join(map(' '.join, v))}" for name, v in graph.edge_arrays.items()]
    if meta.prefix == "ogbn":
        labels = found.attempt(read_labels_by_type, found.folder / "raw", meta, graph.num_nodes) or {}
        for kind, value in labels.items():
            found.lines += _labels(f"labels   {kind}:", value)
    for folder in _split_folders(found, meta):
        if meta.prefix == "ogbl":
            links = found.attempt(read_links, folder, graph.num_nodes, directed=not meta.add_inverse_edge)
            found.lines += _links(folder.name, links)
            continue
        by_type = found.attempt(read_splits_by_type, folder, graph.num_nodes) or {}
        for kind, splits in by_type.items():
            found.lines += _splits(f"{folder.name} ({kind})", splits)


def _split_folders(found: Found, meta: OgbMeta) -> list[Path]:
    """The standard split, there or not, and whatever else is there."""
    there = {path for path in (found.folder / "split").glob("*") if path.is_dir()}
    return sorted(there | {found.folder / "split" / meta.split})


def _shape(value: Tensor) -> str:
    return f"[{', '.join(f'{size:,}' for size in value.shape)}] {str(value.dtype).removeprefix('torch.')}"


def _labels(title: str, labels: Tensor | None) -> list[str]:
    if labels is None:
        return []
    unknown = int(labels.isnan().sum())
    known = labels[~labels.isnan()]
    values = f"{len(known.unique()):,} values from {known.min():g} to {known.max():g}" if len(known) else "no values"
    return [f"{title:<8} {_shape(labels)}, {values}, {unknown:,} unknown"]


def _splits(name: str, splits: Splits | None) -> list[str]:
    if splits is None:
        return []
    return [f"split    {name}: " + ", ".join(f"{p.name} {len(getattr(splits, p.name)):,}" for p in fields(splits))]


def _links(name: str, splits: LinkSplits | None) -> list[str]:
    if splits is None:
        return []
    lines = []
    for part in fields(splits):
        links = getattr(splits, part.name)
        held = [f"{key} {_shape(value)}" for key, value in links.as_dict().items() if torch.is_tensor(value)]
        lines.append(f"split    {name}: {part.name} {len(links):,} links ({'; '.join(held)})")
    return lines


def report(data_sets: Iterable[Found]) -> str:
    """The findings as text."""
    lines = []
    for found in data_sets:
        lines.append(f"{found.folder}")
        lines.extend(f"  {line}" for line in found.lines)
        lines.extend(f"  BROKEN   {problem}" for problem in found.problems)
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    return run_check(argv, __doc__, check_root, report)


if __name__ == "__main__":
    sys.exit(main())
