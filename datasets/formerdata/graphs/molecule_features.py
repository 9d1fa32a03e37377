"""Molecules as graphs with the nine atom and three bond features of OGB (Hu et al. 2020); needs RDKit (extra chem).

Every feature is a position in a list of possible values; what is not in the list takes the list's last place, "misc".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.packed import GraphBatch
from formerkit.io import require

ATOM_SIZES = (119, 5, 12, 12, 10, 6, 6, 2, 2)
"""Number of values of each atom feature: atomic number 1 to 118, chirality (before ogb 1.3.3 without misc), degree 0 to
10, formal charge -5 to 5, hydrogens 0 to 8, radical electrons 0 to 4, hybridisation, each with misc; whether aromatic;
whether in a ring."""

BOND_SIZES = (5, 6, 2)
"""Number of values of each bond feature: type (with misc), stereo, whether conjugated."""

# RDKit's own names of the values, in OGB's order.
CHIRALITY = ("CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW", "CHI_OTHER")
HYBRIDIZATION = ("SP", "SP2", "SP3", "SP3D", "SP3D2")
BOND_TYPE = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
BOND_STEREO = ("STEREONONE", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS", "STEREOANY")


def parse_smiles(smiles: str) -> Any:
    """RDKit's molecule.

    Raises:
        ValueError: If RDKit cannot make a molecule of it, or it has no atoms; the message has RDKit's reason.
        MissingExtraError: If RDKit is absent.
    """
    chem = require("rdkit.Chem", "chem", purpose="reading SMILES")
    with chem.rdBase.BlockLogs():
        molecule = chem.MolFromSmiles(smiles.strip())
        if molecule is None:
            raise ValueError(f"SMILES {smiles.strip()!r}: {_reason(chem, smiles.strip())}")
    if molecule.GetNumAtoms() == 0:
        raise ValueError(f"SMILES {smiles.strip()!r}: a molecule without atoms")
    return molecule


def _reason(chem: Any, smiles: str) -> str:
    """RDKit only prints why it gives up; its second step alone raises the reason."""
    parsed = chem.MolFromSmiles(smiles, sanitize=False)
    if parsed is None:
        return "not a SMILES"
    try:
        chem.SanitizeMol(parsed)
    except ValueError as error:
        return str(error)
    return "not a molecule that RDKit knows"


def smiles_graph(smiles: str) -> GraphBatch:
    """One molecule as a graph: its heavy atoms in RDKit's order, each bond in both directions, one after the other.

    Returns:
        ``x`` is [N, 9] int64 below ``ATOM_SIZES``, ``edge_attr`` [E, 3] int64 below ``BOND_SIZES``.

    Raises:
        ValueError: As :func:`parse_smiles`.
    """
    return molecule_graph(parse_smiles(smiles))


def molecule_graph(molecule: Any) -> GraphBatch:
    """As :func:`smiles_graph`, of a molecule of RDKit."""
    # Asking by number, since RDKit's own loop over atoms counts them again at each step.
    atoms = [_atom(molecule.GetAtomWithIdx(number)) for number in range(molecule.GetNumAtoms())]
    ends: list[tuple[int, int]] = []
    bonds: list[tuple[int, ...]] = []
    for number in range(molecule.GetNumBonds()):
        bond = molecule.GetBondWithIdx(number)
        first, second, features = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), _bond(bond)
        ends += [(first, second), (second, first)]
        bonds += [features, features]
    return GraphBatch(
        integers(ends, 2).T.contiguous(),
        torch.zeros(len(atoms), dtype=torch.int64),
        1,
        x=integers(atoms, len(ATOM_SIZES)),
        edge_attr=integers(bonds, len(BOND_SIZES)),
    )


def integers(rows: list[tuple[int, ...]] | list[tuple[int, int]], columns: int) -> Tensor:
    """[rows, columns] int64, of no rows too."""
    return torch.from_numpy(np.array(rows, dtype=np.int64).reshape(-1, columns))  # faster than torch.tensor on tuples


def _atom(atom: Any) -> tuple[int, ...]:
    return (
        _within(atom.GetAtomicNum(), 1, 118),
        _listed(atom.GetChiralTag().name, CHIRALITY),
        _within(atom.GetTotalDegree(), 0, 10),
        _within(atom.GetFormalCharge(), -5, 5),
        _within(atom.GetTotalNumHs(), 0, 8),
        _within(atom.GetNumRadicalElectrons(), 0, 4),
        _listed(atom.GetHybridization().name, HYBRIDIZATION),
        int(atom.GetIsAromatic()),
        int(atom.IsInRing()),
    )


def _bond(bond: Any) -> tuple[int, ...]:
    stereo = bond.GetStereo().name
    if stereo not in BOND_STEREO:  # OGB's list of these has no place for others
        raise ValueError(f"a bond with the stereo {stereo}, which OGB's features do not have")
    return _listed(bond.GetBondType().name, BOND_TYPE), BOND_STEREO.index(stereo), int(bond.GetIsConjugated())


def _within(value: int, low: int, high: int) -> int:
    return value - low if low <= value <= high else high - low + 1


def _listed(value: str, values: tuple[str, ...]) -> int:
    return values.index(value) if value in values else len(values)
