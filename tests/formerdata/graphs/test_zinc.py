"""ZINC's lists: types of atoms and bonds by hand, each way to break a list, and the real subset."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from formerdata.graphs.index_lists import read_index_lists
from formerdata.graphs.zinc import crippen_logp, read_zinc

from formerkit.io import DataError
from tests.paths import data

pytest.importorskip("rdkit")


def write(folder: Path, text: str) -> Path:
    (folder / "z.txt").write_text(text)
    return folder / "z.txt"


def test_a_small_list(tmp_path: Path) -> None:
    read = read_zinc(write(tmp_path, "c1cc[nH]c1\nC[C@H]([NH3+])C(=O)[O-]\nC#N\n"))
    assert read.atom_types == ("C", "N", "C H1", "N H3 +", "O", "O -")
    graphs = read.molecules.graphs
    assert graphs.x.tolist() == [0, 0, 0, 1, 0, 0, 2, 3, 0, 4, 5, 0, 1]
    assert graphs.batch([0]).edge_attr[::2].bincount().tolist() == [0, 3, 2]  # pyrrole: two double bonds
    assert graphs.batch([2]).edge_attr.tolist() == [3, 3]
    assert graphs.y is None


def test_some_of_a_list_with_given_types(tmp_path: Path) -> None:
    path = write(tmp_path, "C\nCO\nON\n")
    read = read_zinc(path, positions=torch.tensor([2, 0]), atom_types=("N", "O", "C"))
    assert (read.molecules.smiles, read.molecules.lines) == (("ON", "C"), (3, 1))
    assert read.molecules.graphs.x.tolist() == [1, 0, 2]
    with pytest.raises(DataError, match=r"z\.txt, line 3: the atom 'N'; expected one of C, O"):
        read_zinc(path, atom_types=("C", "O"))
    with pytest.raises(DataError, match=r"z\.txt, field 'positions': position 3; expected 0 to 2"):
        read_zinc(path, positions=torch.tensor([3]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"z\.txt: an empty file"),
        ("C\nxx\n", r"z\.txt, line 2: SMILES 'xx': not a SMILES"),
        ("C\n\nC\n", r"z\.txt, line 2: .*without atoms"),
        ("C\nN->[Cu]\n", r"z\.txt, line 2: .*a bond of the type DATIVE"),
    ],
)
def test_bad_lists_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_zinc(write(tmp_path, text))


def test_logp_by_hand() -> None:
    # Wildman and Crippen: methane is one C of type C1 (0.1441) and four H of type H1 (0.1230 each).
    assert crippen_logp(["C"]).item() == pytest.approx(0.1441 + 4 * 0.1230)
    assert crippen_logp([]).shape == (0, 1)


def test_the_real_test_molecules() -> None:
    (positions,) = read_index_lists(data("molecules", "zinc", "zinc12k_test.index"))
    read = read_zinc(data("molecules", "zinc", "test.txt"), positions=positions)
    graphs = read.molecules.graphs
    assert len(graphs) == 1000
    # The published averages over 12,000 molecules are 23.16 nodes and 49.83 edges.
    assert graphs.num_nodes / 1000 == pytest.approx(23.16, abs=0.2)
    assert graphs.num_edges / 1000 == pytest.approx(49.83, abs=0.4)
    assert read.atom_types[:3] == ("C", "N", "O")
    assert len(read.atom_types) <= 28
    assert graphs.edge_attr.unique().tolist() == [1, 2, 3]
