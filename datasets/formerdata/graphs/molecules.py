"""Tables of molecules, as MoleculeNet publishes them (Wu et al. 2018): SMILES and targets in a CSV file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from formerdata.graphs.csv_table import column, read_csv
from formerdata.graphs.molecule_features import smiles_graph
from formerdata.graphs.packed import GraphBatch, PackedGraphs, pack
from formerkit.io import DataError


@dataclass(frozen=True)
class Molecules:
    """Molecules as graphs and as they were written.

    Attributes:
        graphs: With OGB's features of atoms and bonds; ``y`` is [G, T] float32, NaN where the table has a blank.
        smiles: [G], as in the file.
        lines: [G], the one-based line on which each one's row ends.
        targets: [T] names of the columns of ``y``.
        unreadable: Line and reason of each molecule that was left out.
    """

    graphs: PackedGraphs
    smiles: tuple[str, ...]
    lines: tuple[int, ...]
    targets: tuple[str, ...] = ()
    unreadable: tuple[tuple[int, str], ...] = ()


def read_molecules(
    path: str | os.PathLike[str],
    *,
    smiles: str = "smiles",
    targets: Sequence[str] | None = None,
    skip_unreadable: bool = False,
) -> Molecules:
    """A table of molecules; needs RDKit (extra chem).

    Args:
        path: A CSV file with a header line, gzipped if its name ends in ``.gz``.
        smiles: Name of the column with SMILES.
        targets: Names of columns with targets; by default all others.
        skip_unreadable: Leave out the molecules that RDKit refuses, and list them in ``unreadable``; otherwise the
            first of them is an error.

    Raises:
        DataError: If the file is absent or empty, lacks a column, or has a row of another length, a target that is
            not a finite number, or a molecule that RDKit refuses; it names line and column.
        MissingExtraError: If RDKit is absent.
    """
    header, rows = read_csv(path)
    wanted = [name for name in header if name != smiles] if targets is None else list(targets)
    place, places = column(path, header, smiles), [column(path, header, name) for name in wanted]
    values = [
        [_target(path, line, name, row[at]) for name, at in zip(wanted, places, strict=True)] for line, row in rows
    ]
    entries = [(line, row[place]) for line, row in rows]
    graphs, kept, unreadable = read_smiles(path, entries, smiles_graph, field=smiles, skip_unreadable=skip_unreadable)
    packed = pack(graphs, name=str(path))
    y = torch.tensor([values[number] for number in kept], dtype=torch.float32).reshape(len(kept), len(wanted))
    return Molecules(
        replace(packed, y=y).checked(),
        tuple(rows[number][1][place] for number in kept),
        tuple(rows[number][0] for number in kept),
        tuple(wanted),
        unreadable,
    )


def read_smiles(
    path: str | os.PathLike[str],
    entries: list[tuple[int, str]],
    make: Callable[[str], GraphBatch],
    *,
    field: str | None = None,
    skip_unreadable: bool = False,
) -> tuple[list[GraphBatch], list[int], tuple[tuple[int, str], ...]]:
    """Graphs of SMILES, which of them could be made, and line and reason of the others.

    Args:
        path, field: For messages.
        entries: Line and SMILES.
        make: From SMILES to graph; a ValueError says that it cannot be made.
        skip_unreadable: As in :func:`read_molecules`.

    Raises:
        DataError: If one cannot be made and is not to be left out, or none can be made; it names the line.
    """
    graphs, kept, unreadable = [], [], []
    for number, (line, written) in enumerate(entries):
        try:
            graphs.append(make(written))
            kept.append(number)
        except ValueError as error:
            unreadable.append((line, str(error)))
    if unreadable and not (skip_unreadable and graphs):
        line, reason = unreadable[0]
        more = f" (and {len(unreadable) - 1} more of {len(entries)})" if len(unreadable) > 1 else ""
        raise DataError(path, reason + more, line=line, field=field, expected="molecules that RDKit can make")
    return graphs, kept, tuple(unreadable)


def _target(path: str | os.PathLike[str], line: int, column: str, word: str) -> float:
    if not word.strip():
        return math.nan
    try:
        value = float(word)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise DataError(path, repr(word), line=line, field=column, expected="a finite number, or a blank")
    return value
