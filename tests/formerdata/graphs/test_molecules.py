"""Tables of molecules: features by hand and against OGB's, each way to break a table, real tables, splits."""

from __future__ import annotations

import gzip
import math
import sys
from pathlib import Path

import pytest
import torch
from formerdata.graphs.csv_table import read_csv
from formerdata.graphs.molecule_features import ATOM_SIZES, BOND_SIZES, smiles_graph
from formerdata.graphs.molecules import read_molecules
from formerdata.graphs.scaffold import scaffold, scaffold_split

from formerkit.io import DataError, MissingExtraError
from tests.paths import data

pytest.importorskip("rdkit")

TABLE = "name,smiles,toxic,weight\na,CCO,1,\nb,c1ccccc1,,2.5\nc, C ,0,-1e1\n"


def table(folder: Path, text: str = TABLE) -> Path:
    (folder / "t.csv").write_text(text)
    return folder / "t.csv"


def test_features_by_hand() -> None:
    graph = smiles_graph("C[C@H](N)C(=O)[O-]")
    # Atomic number, chirality, degree, charge, hydrogens, radicals, hybridisation, aromatic, ring.
    assert graph.x.tolist() == [
        [5, 0, 4, 5, 3, 0, 2, 0, 0],
        [5, 2, 4, 5, 1, 0, 2, 0, 0],
        [6, 0, 3, 5, 2, 0, 2, 0, 0],
        [5, 0, 3, 5, 0, 0, 1, 0, 0],
        [7, 0, 1, 5, 0, 0, 1, 0, 0],
        [7, 0, 1, 4, 0, 0, 1, 0, 0],
    ]
    assert graph.edge_index.tolist() == [[0, 1, 1, 2, 1, 3, 3, 4, 3, 5], [1, 0, 2, 1, 3, 1, 4, 3, 5, 3]]
    # Type, stereo, conjugated.
    assert graph.edge_attr[::2].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 1], [0, 0, 1]]
    assert torch.equal(graph.edge_attr[::2], graph.edge_attr[1::2])


def test_rings_stereo_and_the_unusual() -> None:
    assert smiles_graph("c1ccccc1").x[:, -2:].tolist() == [[1, 1]] * 6
    assert smiles_graph("c1ccccc1").edge_attr.tolist() == [[3, 0, 1]] * 12
    assert smiles_graph("F/C=C/F").edge_attr[2].tolist() == [1, 2, 0]
    assert smiles_graph("F/C=C\\F").edge_attr[2].tolist() == [1, 1, 0]
    assert smiles_graph("[CH3]").x[0, 5] == 1  # a radical
    assert smiles_graph("*").x[0, 0] == 118  # no element: misc
    assert smiles_graph("[C+7]").x[0, 3] == 11
    assert smiles_graph("N->[Cu]").edge_attr[0, 0] == 4  # a dative bond
    lone = smiles_graph("[Na+]")
    assert (lone.edge_index.shape, lone.edge_attr.shape) == ((2, 0), (0, 3))


def same_as_ogb(smiles: tuple[str, ...]) -> None:
    smiles2graph = pytest.importorskip("ogb.utils.mol").smiles2graph
    for one in smiles:
        theirs, ours = smiles2graph(one), smiles_graph(one)
        assert ours.x.tolist() == theirs["node_feat"].tolist(), one
        assert ours.edge_index.tolist() == theirs["edge_index"].tolist(), one
        assert ours.edge_attr.tolist() == theirs["edge_feat"].tolist(), one


def test_features_are_those_of_ogb() -> None:
    features = pytest.importorskip("ogb.utils.features")
    assert list(ATOM_SIZES) == features.get_atom_feature_dims()
    assert list(BOND_SIZES) == features.get_bond_feature_dims()
    same_as_ogb(("CCO", "*", "[C+7]", "N->[Cu]", "F/C=C\\F", "C[C@@H](N)O", "[Na+].[Cl-]", "FS(F)(F)(F)(F)F", "[CH3]"))


# Every so many of each table, to be quick; with 1 everywhere (15,832 molecules) they are equal too.
@pytest.mark.parametrize(("name", "stride"), [("bbbp", 10), ("esol", 5), ("freesolv", 2), ("lipo", 20), ("tox21", 20)])
def test_features_of_real_molecules_are_those_of_ogb(name: str, stride: int) -> None:
    header, rows = read_csv(data("molecules", f"{name}.csv"))
    smiles = (row[header.index("smiles")] for _, row in rows[::stride])
    same_as_ogb(tuple(one for one in smiles if readable(one)))


def readable(smiles: str) -> bool:
    try:
        return smiles_graph(smiles).num_nodes > 0
    except ValueError:
        return False


@pytest.mark.parametrize("packed", [False, True])
def test_a_small_table(tmp_path: Path, packed: bool) -> None:
    path = table(tmp_path)
    if packed:
        path = tmp_path / "t.csv.gz"
        path.write_bytes(gzip.compress(TABLE.encode()))
    read = read_molecules(path, targets=["weight", "toxic"])
    assert (read.smiles, read.lines, read.targets) == (("CCO", "c1ccccc1", " C "), (2, 3, 4), ("weight", "toxic"))
    assert read.graphs.node_starts.tolist() == [0, 3, 9, 10]
    assert read.graphs.edge_starts.tolist() == [0, 4, 16, 16]
    assert math.isnan(read.graphs.y[0, 0])
    assert read.graphs.y[0, 1] == 1
    assert read.graphs.y[1:].nan_to_num(7).tolist() == [[2.5, 7], [-10, 0]]
    assert torch.equal(read.graphs.batch([1]).x, smiles_graph("c1ccccc1").x)


def test_a_cell_may_have_commas_and_lines(tmp_path: Path) -> None:
    read = read_molecules(table(tmp_path, 'smiles,p\n"CC",1\n"C\n",2\nCO,3\n'))
    assert (read.lines, read.graphs.y.flatten().tolist()) == ((2, 4, 5), [1, 2, 3])


def test_molecules_that_cannot_be_read(tmp_path: Path) -> None:
    path = table(tmp_path, "smiles,p\nCC,1\nC(C)(C)(C)(C)C,2\nCO,3\nC1CC,4\n,5\n")
    with pytest.raises(DataError, match=r"t.csv, line 3, field 'smiles': .*valence.*\(and 2 more of 5\)"):
        read_molecules(path)
    read = read_molecules(path, skip_unreadable=True)
    assert (read.smiles, read.lines, read.graphs.y.flatten().tolist()) == (("CC", "CO"), (2, 4), [1, 3])
    assert [line for line, _ in read.unreadable] == [3, 5, 6]
    assert [reason.split(": ")[1][:12] for _, reason in read.unreadable] == [
        "Explicit val",
        "not a SMILES",
        "a molecule w",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv: no rows"),
        ("smiles,p\n", "t.csv: no rows"),
        ("mol,p\nC,1\n", "t.csv, line 1, field 'smiles': no such column; expected one of mol, p"),
        ("smiles,p\nC,1\nC\n", "t.csv, line 3: 1 columns; expected 2"),
        ("smiles,p\nC,1,2\n", "t.csv, line 2: 3 columns; expected 2"),
        ("smiles,p\nC,1\nC,x\n", "t.csv, line 3, field 'p': 'x'; expected a finite number"),
        ("smiles,p\nC,inf\n", "t.csv, line 2, field 'p': 'inf'; expected a finite number"),
        ("smiles,p,p\nC,1,1\n", "t.csv, line 1: two columns of one name"),
        ('smiles,p\n"C,1\n', "t.csv, line 2: unexpected end of data"),
        ("smiles,p\nxx,1\n", "t.csv, line 2, field 'smiles': SMILES 'xx': not a SMILES"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_molecules(table(tmp_path, text), skip_unreadable=True)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv: no such file"):
        read_molecules(tmp_path / "t.csv")
    (tmp_path / "t.csv.gz").write_bytes(b"smiles")
    with pytest.raises(DataError, match=r"t\.csv\.gz: cannot be unpacked"):
        read_molecules(tmp_path / "t.csv.gz")


def test_without_rdkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit.Chem", None)
    with pytest.raises(MissingExtraError, match=r"formerkit\[chem\]"):
        read_molecules(table(tmp_path), targets=["weight"])


@pytest.mark.parametrize(
    ("name", "count", "target"),
    [("bbbp", 2039, "p_np"), ("esol", 1128, "logSolubility"), ("freesolv", 642, "freesolv")],
)
def test_real_tables(name: str, count: int, target: str) -> None:
    read = read_molecules(data("molecules", f"{name}.csv"))
    assert (len(read.graphs), read.targets, int(read.graphs.y.isnan().sum())) == (count, (target,), 0)
    assert read.lines == tuple(range(2, count + 2))


def test_tox21(tmp_path: Path) -> None:
    header, *rows = data("molecules", "tox21.csv").read_text().splitlines(keepends=True)
    assert len(rows) == 7831
    (tmp_path / "some.csv").write_text("".join([header, *rows[::5]]))  # all take five seconds
    read = read_molecules(tmp_path / "some.csv", skip_unreadable=True)
    # How many RDKit refuses depends on its version (8 of all with 2026.09).
    assert len(read.graphs) + len(read.unreadable) == 1567
    assert len(read.unreadable) < 20
    assert len(read.targets) == 12
    assert bool(((read.graphs.y == 0) | (read.graphs.y == 1) | read.graphs.y.isnan()).all())


def test_one_source_in_two_tables() -> None:
    measured = "measured log solubility in mols per litre"
    first = read_molecules(data("molecules", "esol.csv"))
    second = read_molecules(data("molecules", "delaney-processed.csv"), targets=[measured])
    assert torch.equal(first.graphs.y, second.graphs.y)
    assert torch.equal(first.graphs.x, second.graphs.x)


def test_scaffolds() -> None:
    assert scaffold("CCc1ccccc1") == "c1ccccc1"
    assert scaffold("CCO") == ""
    bridged = "CC1C[C@H]2CCCC[C@@H]2C1"
    assert "@" in scaffold(bridged, chirality=True)
    assert scaffold(bridged) == scaffold(bridged.replace("@@", "@")) == "C1CCC2CCCC2C1"


def test_large_scaffolds_go_into_training_first() -> None:
    benzenes, chains = ["Cc1ccccc1", "CCc1ccccc1", "c1ccccc1", "Oc1ccccc1"], ["C", "CC", "CCC"]
    smiles = [chains[0], *benzenes, *chains[1:], "C1CC1", "C1CCC1", "C1CCCC1"]
    split = scaffold_split(smiles, (0.7, 0.1, 0.2))
    # Four benzenes and three chains fill 7 of 10 places (7.0 of 7.0); then the sets of one, the latest first.
    assert split.train.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert split.valid.tolist() == [9]
    assert split.test.tolist() == [7, 8]


def test_a_scaffold_stays_in_one_part() -> None:
    read = read_molecules(data("molecules", "freesolv.csv"))
    split = scaffold_split(read.smiles)
    parts = [{scaffold(read.smiles[n]) for n in part.tolist()} for part in (split.train, split.valid, split.test)]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert len(split.train) <= 0.8 * 642
    assert len(split.train) + len(split.valid) + len(split.test) == 642


def test_splits_are_checked() -> None:
    with pytest.raises(ValueError, match="fractions"):
        scaffold_split(["C"], (0.5, 0.1, 0.1))
    with pytest.raises(ValueError, match="not a SMILES"):
        scaffold_split(["C", "xx"])
    with pytest.raises(DataError, match="is empty"):
        scaffold_split(["C", "CC"])
