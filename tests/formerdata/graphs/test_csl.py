"""Circular skip links: ten regular graphs in fifteen orders each, the same ten as were published."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs import PackedGraphs
from formerdata.graphs.csl import SKIPS, csl

from tests.paths import data


def adjacencies(graphs: PackedGraphs) -> torch.Tensor:
    """[150, 41, 41]."""
    dense = torch.zeros(len(graphs), 41, 41, dtype=torch.float64)
    graph = torch.repeat_interleave(torch.arange(len(graphs)), graphs.edge_starts.diff())
    dense[graph, graphs.edge_index[0], graphs.edge_index[1]] = 1
    return dense


def spectra(dense: torch.Tensor) -> torch.Tensor:
    return torch.linalg.eigvalsh(dense)


def circulant_spectrum(skip: int) -> torch.Tensor:
    """2 cos(2 pi k / 41) + 2 cos(2 pi k R / 41) for each k."""
    angle = 2 * torch.pi * torch.arange(41, dtype=torch.float64) / 41
    return (2 * angle.cos() + 2 * (skip * angle).cos()).sort().values


def test_every_graph_is_four_regular() -> None:
    graphs = csl()[0].checked()
    dense = adjacencies(graphs)
    assert torch.equal(graphs.node_starts.diff(), torch.full((150,), 41))
    assert torch.equal(graphs.edge_starts.diff(), torch.full((150,), 164))
    assert torch.equal(dense.sum(2), torch.full((150, 41), 4.0, dtype=torch.float64))
    assert torch.equal(dense, dense.transpose(1, 2))
    assert float(dense.diagonal(dim1=1, dim2=2).sum()) == 0
    assert torch.equal(graphs.y, torch.arange(10).repeat_interleave(15))


def test_each_class_has_a_spectrum_of_its_own() -> None:
    found = spectra(adjacencies(csl()[0]))
    for label, skip in enumerate(SKIPS):
        expected = circulant_spectrum(skip)
        assert torch.allclose(found[15 * label : 15 * label + 15], expected.expand(15, -1), atol=1e-9)
    assert len(torch.unique(found[::15].mul(1e6).round(), dim=0)) == 10


def test_orders_differ_and_come_from_the_seed() -> None:
    one, other = csl()[0], csl(seed=1)[0]
    assert len(torch.unique(adjacencies(one).flatten(1), dim=0)) == 150
    assert torch.equal(one.edge_index, csl()[0].edge_index)
    assert not torch.equal(one.edge_index, other.edge_index)


def test_five_folds_hold_as_many_of_each_class() -> None:
    graphs, _ = csl()
    tests = []
    for fold in range(5):
        again, splits = csl(fold=fold)
        splits.checked(150, "CSL")
        assert torch.equal(again.edge_index, graphs.edge_index)
        for part, count in (("train", 9), ("valid", 3), ("test", 3)):
            labels = graphs.y[getattr(splits, part)]
            assert torch.equal(torch.bincount(labels), torch.full((10,), count)), part
        assert torch.equal(splits.valid, csl(fold=(fold + 1) % 5)[1].test)
        tests.append(splits.test)
    assert torch.equal(torch.cat(tests).sort().values, torch.arange(150))


def test_absent_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="fold: expected 0 to 4, got 5"):
        csl(fold=5)


class Matrices(pickle.Unpickler):
    """Reads lists of scipy's sparse matrices and nothing else: each name is looked up here, none is imported."""

    def find_class(self, module: str, name: str) -> Any:
        from scipy.sparse import coo_matrix

        allowed = {
            ("scipy.sparse.coo", "coo_matrix"): coo_matrix,
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return allowed[module, name]


def published(path: Path) -> torch.Tensor:
    with path.open("rb") as file:
        matrices = Matrices(file).load()
    return torch.from_numpy(np.stack([matrix.toarray() for matrix in matrices]))


def test_the_published_graphs_are_the_same_ten() -> None:
    pytest.importorskip("scipy")
    dense = published(data("expressivity", "csl", "graphs_Kary_Deterministic_Graphs.pkl"))
    labels = torch.load(data("expressivity", "csl", "y_Kary_Deterministic_Graphs.pt"), weights_only=True)
    ours = spectra(adjacencies(csl()[0]))
    # The published file links each node to itself too: its spectrum is one higher.
    theirs = spectra(dense) - dense[0, 0, 0]
    by_label = torch.stack([theirs[torch.as_tensor(labels).long() == label] for label in range(10)])
    assert by_label.shape == (10, 15, 41)
    assert torch.allclose(by_label, ours.reshape(10, 15, 41), atol=1e-9)
