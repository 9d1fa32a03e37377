"""ZINC molecules from lists of SMILES, with types of atoms and bonds as in Benchmarking-GNNs (Dwivedi et al. 2023)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.molecule_features import integers, parse_smiles
from formerdata.graphs.molecules import Molecules, read_smiles
from formerdata.graphs.packed import GraphBatch, pack
from formerdata.graphs.tables import read_lines
from formerkit.io import DataError, require

BOND_TYPES = ("SINGLE", "DOUBLE", "TRIPLE")
"""Bond types 1, 2 and 3; 0 is for no bond, as in a complete graph."""


@dataclass(frozen=True)
class ZincMolecules:
    """Molecules, and what type t of ``molecules.graphs.x`` stands for: ``"C"``, ``"N H1 +"``."""

    molecules: Molecules
    atom_types: tuple[str, ...]


def read_zinc(
    path: str | os.PathLike[str], *, positions: Tensor | None = None, atom_types: Sequence[str] | None = None
) -> ZincMolecules:
    """Molecules of a list with one SMILES a line (gzipped if its name ends in ``.gz``); needs RDKit (extra chem).

    The published target of ZINC, a penalised logP, is not in these files: ``y`` is None.

    Args:
        path: The list.
        positions: [n] int64, which lines to take, counted from 0, in that order, such as
            ``read_index_lists("test.index")[0]`` of the subset of 12,000; by default all.
        atom_types: Names of types 0, 1, ...: take those of the training molecules for the others. By default they are
            derived from these molecules, the most frequent first, of two as frequent the alphabetically first.

    Returns:
        ``x`` is [N] int64. A type is an element with its charge and the hydrogens written in its brackets, after
        aromatic rings became single and double bonds; the published 28 types are of this kind, but their numbers are
        others. ``edge_attr`` is [E] int64, 1 + the place in ``BOND_TYPES``; every bond stands in both directions.

    Raises:
        DataError: If the file is absent or empty, a position is not in it, RDKit refuses a molecule, or an atom is of
            none of ``atom_types``; the message names the line.
    """
    lines = read_lines(path)
    chosen = list(range(len(lines))) if positions is None else positions.tolist()
    for position in chosen:
        if not 0 <= position < len(lines):
            raise DataError(path, f"position {position}", field="positions", expected=f"0 to {len(lines) - 1}")
    entries = [(position + 1, lines[position].strip()) for position in chosen]
    names: list[list[str]] = []

    def make(smiles: str) -> GraphBatch:
        graph, atoms = _graph(smiles)
        names.append(atoms)
        return graph

    graphs, _, _ = read_smiles(path, entries, make)
    counted = Counter(name for atoms in names for name in atoms)
    known = tuple(sorted(counted, key=lambda name: (-counted[name], name)) if atom_types is None else atom_types)
    number = {name: place for place, name in enumerate(known)}
    for (line, _), atoms in zip(entries, names, strict=True):
        for name in atoms:
            if name not in number:
                raise DataError(path, f"the atom {name!r}", line=line, expected=f"one of {', '.join(known)}")
    x = torch.tensor([number[name] for atoms in names for name in atoms])
    packed = replace(pack(graphs, name=str(path)), x=x).checked()
    return ZincMolecules(Molecules(packed, tuple(s for _, s in entries), tuple(n for n, _ in entries)), known)


def crippen_logp(smiles: Sequence[str]) -> Tensor:
    """[n, 1] float32, the octanol-water partition coefficient that Wildman and Crippen (1999) estimate from atom types.

    This is NOT the published target of ZINC, which also subtracts a synthetic accessibility score and a count of long
    cycles, and is normalised. It is a sum over atoms, so easier to learn; figures of the two cannot be compared.

    Raises:
        ValueError: If RDKit cannot make a molecule.
        MissingExtraError: If RDKit is absent (extra chem).
    """
    crippen = require("rdkit.Chem.Crippen", "chem", purpose="logP")
    return torch.tensor([[crippen.MolLogP(parse_smiles(one))] for one in smiles], dtype=torch.float32).reshape(-1, 1)


def _graph(smiles: str) -> tuple[GraphBatch, list[str]]:
    """The molecule without ``x``, and the name of each atom's type."""
    molecule = parse_smiles(smiles)
    require("rdkit.Chem", "chem", purpose="reading SMILES").Kekulize(molecule, clearAromaticFlags=True)
    names = [_name(molecule.GetAtomWithIdx(number)) for number in range(molecule.GetNumAtoms())]
    ends, types = [], []
    for number in range(molecule.GetNumBonds()):
        bond = molecule.GetBondWithIdx(number)
        first, second, kind = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), bond.GetBondType().name
        if kind not in BOND_TYPES:
            raise ValueError(f"SMILES {smiles!r}: a bond of the type {kind}")
        ends += [(first, second), (second, first)]
        types += [1 + BOND_TYPES.index(kind)] * 2
    edges = integers(ends, 2).T.contiguous()
    nodes = torch.zeros(len(names), dtype=torch.int64)
    return GraphBatch(edges, nodes, 1, edge_attr=torch.from_numpy(np.array(types, dtype=np.int64))), names


def _name(atom: Any) -> str:
    charge, hydrogens = atom.GetFormalCharge(), atom.GetNumExplicitHs()
    sign = ("+" if charge > 0 else "-") * abs(charge)
    return " ".join(part for part in (atom.GetSymbol(), f"H{hydrogens}" if hydrogens else "", sign) if part)
