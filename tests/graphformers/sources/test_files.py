"""Sources: what is read becomes a task that can be trained, on the real files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from formerdata.graphs import Splits

from formerkit.io import ConfigError, DataError
from graphformers import sources
from graphformers.tasks import GraphTask
from tests.paths import data


def tu() -> GraphTask:
    return sources.TU(str(data("tudataset", "MUTAG"))).task()


def planetoid() -> GraphTask:
    return sources.Planetoid(str(data("planetoid")), "cora").task()


def heterophilous() -> GraphTask:
    return sources.Heterophilous(str(data("heterophilous", "minesweeper.npz")), split=3).task()


def gnn_benchmark() -> GraphTask:
    return sources.GNNBenchmark(str(data("gnn_benchmark_npz", "amazon_photo.npz"))).task()


def molecules() -> GraphTask:
    pytest.importorskip("rdkit")
    return sources.Molecules(str(data("molecules", "esol.csv")), measure="rmse").task()


@pytest.mark.parametrize(
    ("make", "graphs", "level", "outputs", "metric"),
    [
        (tu, 188, "graph", 2, "accuracy"),
        (planetoid, 1, "node", 7, "accuracy"),
        (heterophilous, 1, "node", 2, "accuracy"),
        (gnn_benchmark, 1, "node", 8, "accuracy"),
        (molecules, 1128, "graph", 1, "RMSE"),
    ],
)
def test_published_files_become_tasks(make, graphs: int, level: str, outputs: int, metric: str) -> None:
    task = make().checked()
    assert (len(task.graphs), task.level, task.outputs, task.metric.name) == (graphs, level, outputs, metric)
    assert task.transductive == (graphs == 1)
    assert task.model_arguments["out_channels"] == outputs


def sizes(splits: Splits) -> list[int]:
    return [len(splits.train), len(splits.valid), len(splits.test)]


def test_the_two_splits_of_a_graph_of_shchur_et_al() -> None:
    path = str(data("gnn_benchmark_npz", "amazon_photo.npz"))
    few = sources.GNNBenchmark(path).task().checked()
    many = sources.GNNBenchmark(path, split="random").task().checked()
    assert sizes(few.splits) == [160, 240, 7250]
    assert sizes(many.splits) == [4590, 1530, 1530]
    assert "random split 0" in many.source
    other = sources.GNNBenchmark(path, 1, "random").task()
    assert not torch.equal(other.splits.train, many.splits.train)
    with pytest.raises(ConfigError, match=r"data\.split: expected 'per_class' or 'random'"):
        sources.GNNBenchmark(path, split="some")


def test_the_measure_of_a_heterophilous_graph_of_two_classes() -> None:
    """Minesweeper's authors report ROC-AUC."""
    path = str(data("heterophilous", "minesweeper.npz"))
    task = sources.Heterophilous(path, measure="roc_auc").task().checked()
    assert (task.loss, task.outputs, task.metric.name) == ("binary_cross_entropy", 1, "ROC-AUC")
    assert set(task.graphs.y.unique().tolist()) == {0.0, 1.0}


def test_splits_are_of_their_seed(tmp_path: Path) -> None:
    path = str(data("tudataset", "MUTAG"))
    one, again, other = (sources.TU(path, seed).task().splits.test for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_split_that_is_not_there_is_named() -> None:
    path = str(data("heterophilous", "minesweeper.npz"))
    with pytest.raises(DataError, match=r"has 10 splits; expected split 10"):
        sources.Heterophilous(path, split=10).task()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent"):
        sources.TU(str(tmp_path / "absent")).task()


@pytest.mark.parametrize(
    ("source", "classes"), [(sources.CSL(fold=1), 10), (sources.Cycles(8, 4, 4), 2), (sources.SBMCluster(4, 2, 2), 6)]
)
def test_generated_sets_say_that_they_are(source, classes: int) -> None:
    task = source.task().checked()
    assert task.source.startswith("built-in")
    assert task.outputs == classes
    assert set(task.graphs.y.unique().tolist()) <= set(range(classes))


@pytest.mark.parametrize(("predict", "rows"), [("nodes", 15 + 16 + 15 + 15), ("graphs", 4)])
def test_properties_are_predicted_together(predict: str, rows: int) -> None:
    task = sources.GraphProperties(predict, 2, 1, 1).task().checked()  # type: ignore[arg-type]
    y = task.graphs.y
    assert y is not None
    assert (task.outputs, task.level, y.shape) == (3, predict[:-1], (rows, 3))
    off = y + torch.tensor([0.1, 0.01, 0.001])
    assert task.metric(y, off) == pytest.approx(-4, abs=1e-3)
    assert [one(y, off) for one in task.metric.also] == pytest.approx([-2, -4, -6], abs=1e-2)
    with pytest.raises(ConfigError, match=r"data\.predict: expected 'nodes' or 'graphs', got 'edges'"):
        sources.GraphProperties("edges").task()  # type: ignore[arg-type]


def test_people_of_unknown_gender_are_in_no_part() -> None:
    path = str(data("linkx_small", "facebook100", "Johns_Hopkins55.mat"))
    task = sources.Facebook100(path).task().checked()
    chosen = torch.cat([task.splits.train, task.splits.valid, task.splits.test])
    assert sorted(chosen.tolist()) == (task.graphs.y >= 0).nonzero()[:, 0].tolist()
    assert len(chosen) < task.graphs.num_nodes
    assert abs(len(task.splits.train) - len(chosen) / 2) <= 1
