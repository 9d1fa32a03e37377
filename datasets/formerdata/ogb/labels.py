"""Labels of nodes and graphs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from formerdata.ogb.arrays import as_tensor, read_npz, write_npz
from formerdata.ogb.csv_files import needed, read_numbers, read_words, write_numbers, write_words
from formerdata.ogb.meta import OgbMeta
from formerkit.io import DataError


def read_labels(raw: Path, meta: OgbMeta, rows: int) -> Tensor:
    """[rows, tasks] labels of nodes or graphs: int64, or float32 with NaN where unknown.

    Raises:
        DataError: If the file is absent, its shape is another, or a label is none of the task's classes.
    """
    kind = "node" if meta.prefix == "ogbn" else "graph"
    if meta.binary:
        path, field = raw / f"{kind}-label.npz", f"{kind}_label"
        arrays = read_npz(path)
        if field not in arrays:
            raise DataError(path, f"holds {list(arrays)}", field=field, expected="an array of that name")
        labels = as_tensor(arrays[field], path, field)
    else:
        path = needed(raw, f"{kind}-label")
        labels = torch.from_numpy(read_numbers(path))
    return check_labels(labels, meta, rows, path)


def read_sequences(raw: Path, rows: int) -> list[list[str]]:
    """The words of each graph's label.

    Raises:
        DataError: If the file is absent or has another number of lines.
    """
    path = needed(raw, "graph-label")
    lines = read_words(path)
    if len(lines) != rows:
        raise DataError(path, f"{len(lines)} rows", field="graph-label", expected=f"{rows}, one for each graph")
    return [line[0].split(" ") for line in lines]


def read_labels_by_type(raw: Path, meta: OgbMeta, num_nodes: Mapping[str, int]) -> dict[str, Tensor]:
    """Labels [N, tasks] of the types of nodes that have any.

    Raises:
        DataError: As :func:`read_labels`, and if no type has labels.
    """
    labels = {}
    if meta.binary:
        path = raw / "node-label.npz"
        for kind, array in read_npz(path).items():
            labels[kind] = as_tensor(array, path, kind), path
    else:
        path = needed(raw, "nodetype-has-label")
        for kind in types_marked(path):
            file = needed(raw / "node-label" / kind, "node-label")
            labels[kind] = torch.from_numpy(read_numbers(file)), file
    if not labels:
        raise DataError(path, "no type has labels", field="node-label", expected="at least one")
    if unknown := set(labels) - set(num_nodes):
        raise DataError(path, f"unknown types {sorted(unknown)}", field="node-label", expected=f"{list(num_nodes)}")
    return {kind: check_labels(value, meta, num_nodes[kind], file) for kind, (value, file) in labels.items()}


def types_marked(path: Path) -> list[str]:
    """Types under which a table with one line says True.

    Raises:
        DataError: If the table is another.
    """
    lines = read_words(path)
    if len(lines) != 2 or len(lines[0]) != len(lines[1]) or not set(lines[1]) <= {"True", "False"}:
        raise DataError(path, "not a line of types and one of marks", expected="True or False under each type")
    return [kind for kind, mark in zip(*lines, strict=True) if mark == "True"]


def check_labels(labels: Tensor, meta: OgbMeta, rows: int, path: Path | str) -> Tensor:
    """The labels themselves.

    Raises:
        DataError: If their shape is not [rows, ``meta.num_tasks``], or one is no class of the task. NaN is unknown.
    """
    field = "node-label" if meta.prefix == "ogbn" else "graph-label"
    if labels.ndim != 2 or len(labels) != rows:
        raise DataError(path, f"shape {list(labels.shape)}", field=field, expected=f"[{rows}, {meta.num_tasks}]")
    if labels.shape[1] != meta.num_tasks:
        raise DataError(path, f"{labels.shape[1]} columns", field=field, expected=f"{meta.num_tasks} tasks")
    if bool((bad := _wrong(labels, meta)).any()):
        row, task = bad.nonzero()[0].tolist()
        expected = f"0 to {meta.num_classes - 1}, or NaN" if "classification" in meta.task_type else "finite, or NaN"
        raise DataError(path, f"row {row}, task {task} is {labels[row, task].item()}", field=field, expected=expected)
    return labels


def _wrong(labels: Tensor, meta: OgbMeta) -> Tensor:
    if "classification" not in meta.task_type:
        return labels.isinf()
    outside = (labels < 0) | (labels >= meta.num_classes)
    return outside | (labels != labels.floor()) & ~labels.isnan() if labels.is_floating_point() else outside


def write_labels(raw: Path, meta: OgbMeta, labels: Tensor) -> None:
    """Write labels [rows, tasks] of nodes or graphs."""
    kind = "node" if meta.prefix == "ogbn" else "graph"
    if meta.binary:
        write_npz(raw / f"{kind}-label.npz", {f"{kind}_label": labels})
    else:
        write_numbers(raw / f"{kind}-label.csv.gz", labels.numpy())


def write_sequences(raw: Path, sequences: list[list[str]]) -> None:
    """Write labels that are words.

    Raises:
        ValueError: If a word is empty or holds white space, or a label has none.
    """
    for graph, words in enumerate(sequences):
        if not words or any(word.split() != [word] for word in words):
            raise ValueError(f"sequences: graph {graph}: expected words without white space, got {words}")
    write_words(raw / "graph-label.csv.gz", [[" ".join(words)] for words in sequences])


def write_labels_by_type(raw: Path, meta: OgbMeta, labels: Mapping[str, Tensor], kinds: list[str]) -> None:
    """Write labels [N, tasks] of some of the types of nodes."""
    if meta.binary:
        write_npz(raw / "node-label.npz", labels)
        return
    write_words(raw / "nodetype-has-label.csv.gz", [kinds, [str(kind in labels) for kind in kinds]])
    for kind, value in labels.items():
        write_numbers(raw / "node-label" / kind / "node-label.csv.gz", value.numpy())
