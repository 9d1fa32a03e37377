"""Data sets from the files that their owners publish."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from formerdata.graphs import PackedGraphs, Splits

from formerkit.io import ConfigError, DataError
from graphformers.losses import Loss
from graphformers.sources.types import types_of
from graphformers.tasks import GraphTask, Metric
from graphformers.tasks.metric import ACCURACY, AVERAGE_PRECISION, MAE, RMSE, ROC_AUC

MEASURES: dict[str, tuple[Loss, Metric]] = {
    "roc_auc": ("binary_cross_entropy", ROC_AUC),
    "average_precision": ("binary_cross_entropy", AVERAGE_PRECISION),
    "rmse": ("mse", RMSE),
    "mae": ("l1", MAE),
}
"""Loss and score of targets that are numbers."""


@dataclass(frozen=True)
class TU:
    """Classes of graphs from a folder in TU form.

    Attributes:
        root: The folder ``NAME`` with ``NAME_A.txt`` and so on.
        split_seed: Of the random split, 80, 10 and 10 percent.
    """

    root: str
    split_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.splits import random_split
        from formerdata.graphs.tu import read_tu

        found = read_tu(self.root)
        if not found.classes:
            raise DataError(self.root, "graphs have no labels", field="y", expected="classes of graphs")
        graphs = found.graphs
        if graphs.x is None:  # what else is known of a node
            degrees = torch.bincount(graphs.global_edge_index[1], minlength=graphs.num_nodes)
            graphs = replace(graphs, x=degrees)
        assert graphs.x is not None
        node_types = types_of(graphs.x)
        edge_types = types_of(graphs.edge_attr)
        splits = random_split(len(graphs), self.split_seed)
        source = f"{Path(self.root).name} ({self.root})"
        return GraphTask(
            graphs, splits, "cross_entropy", ACCURACY, len(found.classes), source,
            node_types=node_types, edge_types=edge_types,
        )  # fmt: skip


@dataclass(frozen=True)
class Planetoid:
    """Classes of the nodes of a citation graph, in Planetoid's files and with their public split.

    Attributes:
        root: The folder with ``ind.NAME.x`` and so on.
        dataset: ``cora``, ``citeseer`` or ``pubmed``.
        normalize: Divide a node's features by their sum.
    """

    root: str
    dataset: str = "cora"
    normalize: bool = True

    def task(self) -> GraphTask:
        from formerdata.graphs.planetoid import read_planetoid

        graph, splits = read_planetoid(self.root, self.dataset, normalize=self.normalize)
        return _of_nodes(graph, splits, f"{self.dataset} ({self.root})")


@dataclass(frozen=True)
class Heterophilous:
    """Classes of the nodes of a heterophilous graph.

    Attributes:
        path: The npz file.
        split: Which of its fixed splits.
        measure: What is reported; the authors have ROC-AUC where there are two classes.
    """

    path: str
    split: int = 0
    measure: Literal["accuracy", "roc_auc"] = "accuracy"

    def task(self) -> GraphTask:
        from formerdata.graphs.heterophilous import read_heterophilous

        graph, splits = read_heterophilous(self.path)
        if not 0 <= self.split < len(splits):
            raise DataError(self.path, f"has {len(splits)} splits", field="train_masks", expected=f"split {self.split}")
        task = _of_nodes(graph, splits[self.split], f"{Path(self.path).stem}, split {self.split} ({self.path})")
        if self.measure == "accuracy":
            return task
        if task.outputs != 2 or graph.y is None or int(graph.y.min()) < 0:
            raise DataError(self.path, f"{task.outputs} classes", field="node_labels", expected="two, for ROC-AUC")
        loss, metric = MEASURES["roc_auc"]
        labels = replace(graph, y=graph.y.float()[:, None])
        return replace(task, graphs=labels, loss=loss, metric=metric, outputs=1)


@dataclass(frozen=True)
class GNNBenchmark:
    """Classes of the nodes of a graph in the npz form of Shchur et al.

    Attributes:
        path: The npz file.
        split_seed: Of the split.
        split: "per_class": 20 nodes of each class for training, 30 for validation, the rest for testing (Shchur et al.,
            2018); "random": 60, 20 and 20 percent of the nodes, as work on graph transformers has it (NAGphormer, Chen
            et al., 2023).

    Raises:
        ConfigError: On another split.
    """

    path: str
    split_seed: int = 0
    split: Literal["per_class", "random"] = "per_class"

    def __post_init__(self) -> None:
        if self.split not in ("per_class", "random"):
            raise ConfigError(f"data.split: expected 'per_class' or 'random', got {self.split!r}")

    def task(self) -> GraphTask:
        from formerdata.graphs.gnn_benchmark import read_gnn_benchmark
        from formerdata.graphs.splits import random_split_of, split_per_class

        graph = read_gnn_benchmark(self.path)
        assert graph.y is not None
        if self.split == "random":
            known = (graph.y >= 0).nonzero()[:, 0]
            splits, how = random_split_of(known, self.split_seed, (0.6, 0.2, 0.2)), "random split"
        else:
            splits, how = split_per_class(graph.y, self.split_seed), "split"
        return _of_nodes(graph, splits, f"{Path(self.path).stem}, {how} {self.split_seed} ({self.path})")


@dataclass(frozen=True)
class Facebook100:
    """Gender in a college network of Facebook100, for whom it is known; needs SciPy (extra graph).

    Attributes:
        path: The MATLAB file.
        split_seed: Of the random split, 50, 25 and 25 percent of these people, as in LINKX (Lim et al., 2021).
    """

    path: str
    split_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.facebook100 import read_facebook100
        from formerdata.graphs.splits import random_split_of

        graph = read_facebook100(self.path)
        assert graph.y is not None
        known = (graph.y >= 0).nonzero()[:, 0]
        splits = random_split_of(known, self.split_seed, (0.5, 0.25, 0.25))
        return _of_nodes(graph, splits, f"{Path(self.path).stem}, split {self.split_seed} ({self.path})")


@dataclass(frozen=True)
class Molecules:
    """Properties of molecules from a CSV table with SMILES; needs RDKit (extra chem).

    Attributes:
        path: The table.
        smiles: The column of molecules.
        targets: Columns to predict; all others if not given.
        measure: What is reported, which also decides the loss.
        split: ``scaffold`` as in MoleculeNet, or ``random``. split_seed: Of the latter.
        skip_unreadable: Leave out molecules that RDKit refuses, and say how many.
    """

    path: str
    smiles: str = "smiles"
    targets: tuple[str, ...] | None = None
    measure: Literal["roc_auc", "average_precision", "rmse", "mae"] = "roc_auc"
    split: Literal["scaffold", "random"] = "scaffold"
    split_seed: int = 0
    skip_unreadable: bool = False

    def task(self) -> GraphTask:
        from formerdata.graphs.molecules import read_molecules
        from formerdata.graphs.scaffold import scaffold_split
        from formerdata.graphs.splits import random_split

        from graphformers.layers.encoders import ATOM_TYPES, BOND_TYPES

        found = read_molecules(
            self.path, smiles=self.smiles, targets=self.targets, skip_unreadable=self.skip_unreadable
        )
        by_scaffold = self.split == "scaffold"
        splits = scaffold_split(found.smiles) if by_scaffold else random_split(len(found.graphs), self.split_seed)
        loss, metric = MEASURES[self.measure]
        left_out = f", {len(found.unreadable)} unreadable left out" if found.unreadable else ""
        return GraphTask(
            found.graphs, splits, loss, metric, len(found.targets), f"{Path(self.path).stem} ({self.path}){left_out}",
            node_types=ATOM_TYPES, edge_types=BOND_TYPES,
        )  # fmt: skip


@dataclass(frozen=True)
class ZincLogP:
    """Crippen's logP of ZINC molecules, which is NOT the published, penalised target; needs RDKit (extra chem).

    Attributes:
        path: A list with one SMILES a line.
        index: A file of positions in it, to take those alone.
        split_seed: Of the random split, 80, 10 and 10 percent.
    """

    path: str
    index: str | None = None
    split_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.index_lists import read_index_lists
        from formerdata.graphs.splits import random_split
        from formerdata.graphs.zinc import BOND_TYPES, crippen_logp, read_zinc

        positions = None if self.index is None else read_index_lists(self.index)[0]
        found = read_zinc(self.path, positions=positions)
        graphs = replace(found.molecules.graphs, y=crippen_logp(found.molecules.smiles))
        source = f"Crippen logP of ZINC molecules, not the published target ({self.path})"
        return GraphTask(
            graphs, random_split(len(graphs), self.split_seed), "l1", MAE, 1, source,
            node_types=len(found.atom_types), edge_types=1 + len(BOND_TYPES),
        )  # fmt: skip


def _of_nodes(graph: PackedGraphs, splits: Splits, source: str) -> GraphTask:
    assert graph.y is not None
    return GraphTask(graph, splits, "cross_entropy", ACCURACY, int(graph.y.max()) + 1, source)
