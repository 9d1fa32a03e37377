"""The scaffold split: molecules with the same rings and linkers stay in one part."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from formerdata.graphs.molecule_features import parse_smiles
from formerdata.graphs.packed import Splits
from formerkit.io import require


def scaffold(smiles: str, *, chirality: bool = False) -> str:
    """The Bemis-Murcko scaffold (1996) as SMILES; the empty string for a molecule without rings.

    Raises:
        ValueError: If RDKit cannot make a molecule of it.
        MissingExtraError: If RDKit is absent (extra chem).
    """
    murcko = require("rdkit.Chem.Scaffolds.MurckoScaffold", "chem", purpose="scaffolds")
    return str(murcko.MurckoScaffoldSmiles(mol=parse_smiles(smiles), includeChirality=chirality))


def scaffold_split(
    smiles: Sequence[str], fractions: tuple[float, float, float] = (0.8, 0.1, 0.1), *, chirality: bool = False
) -> Splits:
    """The deterministic scaffold split of MoleculeNet (Wu et al. 2018).

    Sets of molecules with one scaffold are taken from the largest to the smallest; of two that are as large, the one
    whose first molecule comes later is taken first, as MoleculeNet's own sorting does. A set goes into training if
    that then has at most its fraction of all molecules; else into validation, if training and validation then have at
    most theirs; else into testing.

    Args:
        smiles: The molecules.
        fractions: Of training, validation and testing; their sum is 1.
        chirality: Whether mirror images are different scaffolds. MoleculeNet says no, the pre-training benchmark of
            Hu et al. (2020) yes.

    Raises:
        ValueError: If the fractions are wrong, or RDKit cannot make a molecule.
        DataError: If a part is empty, as with one scaffold for nearly all molecules.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"fractions: expected three numbers from 0 with the sum 1, got {fractions}")
    members: dict[str, list[int]] = {}
    for number, one in enumerate(smiles):
        members.setdefault(scaffold(one, chirality=chirality), []).append(number)
    # (0.7 + 0.1) * 10 is a little less than 8, which must not cost a place.
    room = fractions[0] * len(smiles) + 1e-9, (fractions[0] + fractions[1]) * len(smiles) + 1e-9
    train: list[int] = []
    valid: list[int] = []
    test: list[int] = []
    for chosen in sorted(members.values(), key=lambda group: (len(group), group[0]), reverse=True):
        if len(train) + len(chosen) <= room[0]:
            train += chosen
        elif len(train) + len(valid) + len(chosen) <= room[1]:
            valid += chosen
        else:
            test += chosen
    parts = (torch.tensor(sorted(part), dtype=torch.int64) for part in (train, valid, test))
    return Splits(*parts).checked(len(smiles), "scaffold split")
