"""Predictions of nodes and graphs: what is refused, what a batch may show, and the order of predictions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from formerdata.graphs import GraphBatch, Splits
from formerdata.graphs.packed import pack, single
from torch import Tensor, nn

from formerkit.io import DataError
from graphformers.tasks import GraphTask
from graphformers.tasks.metric import ACCURACY, MAE, WEIGHTED_ACCURACY

CPU = torch.device("cpu")
SIZES = (3, 1, 4, 2, 5, 3)


class Echo(nn.Module):
    """Predicts of a node its feature, of a graph the sum over its nodes."""

    def __init__(self, level: str) -> None:
        super().__init__()
        self.level = level

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Any, batch: Tensor, *, num_graphs: int) -> Tensor:
        return x if self.level == "node" else x.new_zeros(num_graphs, x.shape[1]).index_add(0, batch, x)


def numbers(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


SPLITS = Splits(numbers(4, 0, 2), numbers(5, 1), numbers(3))


def of_graphs(**changes: Any) -> GraphTask:
    """Six graphs; the features of graph i's nodes, and its target, are i."""
    graphs = [
        GraphBatch(
            torch.tensor([[0], [size - 1]]), torch.zeros(size, dtype=torch.int64), 1,
            x=torch.full((size, 1), float(i)), y=torch.tensor([[float(i)]]),
        )
        for i, size in enumerate(SIZES)
    ]  # fmt: skip
    return GraphTask(pack(graphs, name="six"), SPLITS, "l1", MAE, 1, "toy", **changes)


def of_nodes_of_graphs() -> GraphTask:
    """The same graphs; the target of a node is its graph, as a class."""
    task = of_graphs()
    graphs = replace(task.graphs, y=task.graphs.batch_vector, y_of="node")
    return replace(task, graphs=graphs, loss="cross_entropy", metric=ACCURACY, outputs=6)


def of_nodes(**changes: Any) -> GraphTask:
    """One graph of six nodes in a ring; node i has class i."""
    ring = torch.stack([torch.arange(6), (torch.arange(6) + 1) % 6])
    graph = single(ring, 6, name="ring", x=torch.eye(6), y=torch.arange(6))
    return replace(GraphTask(graph, SPLITS, "cross_entropy", ACCURACY, 6, "toy"), **changes)


def batches(task: GraphTask, batch_size: int, epochs: int = 1, **more: Any) -> Iterator[GraphBatch]:
    where = {"seed": 0, "start_step": 0, "rank": 0, "world_size": 1, **more}
    return task.training_batches(epochs, batch_size, 1, **where)


@pytest.mark.parametrize("make", [of_graphs, of_nodes_of_graphs, of_nodes])
def test_a_sound_task_is_itself(make: Any) -> None:
    task = make()
    assert task.checked() is task


def test_classes_may_be_unknown() -> None:
    of_nodes(graphs=replace(of_nodes().graphs, y=numbers(-1, 1, 2, 3, 4, 5))).checked()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": numbers(0, 1, 2, 3, 4, 6)}, "field 'y'.*classes from 0 to 6.*0 to 5"),
        ({"y": numbers(-2, 1, 2, 3, 4, 5)}, "field 'y'.*classes from -2 to 5"),
        ({"y": torch.arange(6.0)}, "field 'y'.*float32.*int64 classes"),
        ({"y": torch.arange(6, dtype=torch.int32)}, "field 'y'.*int32"),
        ({"y": torch.arange(6)[:, None]}, r"field 'y'.*\[6, 1\]"),
        ({"y": torch.arange(5)}, "field 'y'.*5 rows"),
        ({"y": None}, "field 'y'.*is absent"),
        ({"x": torch.eye(6).index_put((numbers(2), numbers(1)), torch.tensor(torch.nan))}, "field 'x'.*row 2"),
        ({"x": torch.eye(5)}, "field 'x'.*5 rows"),
        ({"edge_index": torch.full((2, 6), 6)}, "edge_index"),
    ],
)
def test_classes_and_features_that_cannot_be_are_named(changes: dict[str, Any], message: str) -> None:
    task = of_nodes()
    with pytest.raises(DataError, match=message):
        replace(task, graphs=replace(task.graphs, **changes)).checked()


@pytest.mark.parametrize(
    "y", [torch.zeros(6, dtype=torch.int64), torch.zeros(6, 1, dtype=torch.int64), torch.zeros(6), torch.zeros(6, 2)]
)
def test_numbers_that_cannot_be_are_named(y: Tensor) -> None:
    task = of_graphs()
    with pytest.raises(DataError, match=r"field 'y'.*\[n, 1\] floats"):
        replace(task, graphs=replace(task.graphs, y=y)).checked()


@pytest.mark.parametrize("make", [of_graphs, of_nodes_of_graphs, of_nodes])
@pytest.mark.parametrize(
    ("part", "message"),
    [
        (numbers(), "split test.*is empty"),
        (numbers(6), "split test.*entries from 6 to 6"),
        (numbers(-1), "split test.*entries from -1"),
        (numbers(3, 3), "split test.*names an entry twice"),
        (numbers(0), "split test.*stands in another part too"),
        (torch.tensor([3.0]), "split test.*a list of integers"),
        (torch.ones(6, dtype=torch.bool), "split test.*a list of integers"),
    ],
)
def test_parts_that_cannot_be_are_named(make: Any, part: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(make(), splits=replace(SPLITS, test=part)).checked()


def test_a_graph_without_nodes_is_refused() -> None:
    graph = single(numbers().reshape(2, 0), 0, name="none", x=torch.zeros(0, 1), y=numbers())
    with pytest.raises(DataError, match="no nodes"):
        of_nodes(graphs=graph).checked()


@pytest.mark.parametrize("learnt_from", [("train",), ("train", "valid")])
def test_in_one_graph_targets_that_are_not_for_training_are_blank(learnt_from: Any) -> None:
    task = of_nodes(learnt_from=learnt_from)
    shown = {0, 2, 4} | ({1, 5} if "valid" in learnt_from else set())
    for batch in itertools.islice(batches(task, 2), 3):
        assert batch.y is not None
        assert batch.y.tolist() == [node if node in shown else -1 for node in range(6)]
        assert torch.equal(batch.x, task.graphs.x)
        assert batch.num_edges == 6
    assert task.steps_per_epoch(100) == 1
    # What is learnt from is a copy.
    assert torch.equal(task.graphs.y, torch.arange(6))
    assert task.labels_seen == learnt_from


@pytest.mark.parametrize("metric", [ACCURACY, WEIGHTED_ACCURACY])
def test_unknown_classes_do_not_count_in_a_score(metric: Any) -> None:
    logits = torch.eye(3)[numbers(0, 1, 2, 0)]
    assert metric(numbers(0, -1, 2, -1), logits) == 1
    assert metric(numbers(0, 1, 1, -1), logits) == pytest.approx(2 / 3 if metric is ACCURACY else 3 / 4)


def test_blank_numbers_are_nan() -> None:
    task = of_nodes(loss="l1", metric=MAE, outputs=1)
    task = replace(task, graphs=replace(task.graphs, y=torch.arange(6.0)[:, None])).checked()
    y = next(batches(task, 1)).y
    assert y is not None
    assert y[:, 0].isnan().tolist() == [False, True, False, True, False, True]


@pytest.mark.parametrize("make", [of_graphs, of_nodes_of_graphs])
@pytest.mark.parametrize("learnt_from", [("train",), ("train", "valid")])
def test_of_many_graphs_batches_have_those_for_training_alone(make: Any, learnt_from: Any) -> None:
    task = replace(make(), learnt_from=learnt_from)
    allowed = [0.0, 2.0, 4.0] + ([1.0, 5.0] if "valid" in learnt_from else [])
    for _ in range(2):
        found = list(batches(task, 1, epochs=3))
        assert len(found) == 3 * len(allowed) == 3 * task.steps_per_epoch(1)
        for epoch in range(3):
            in_epoch = found[epoch * len(allowed) : (epoch + 1) * len(allowed)]
            assert sorted(float(batch.x[0, 0]) for batch in in_epoch) == sorted(allowed)
        for batch in found:  # each graph comes with its own target
            assert torch.equal(batch.y.reshape(-1).float(), batch.x[: len(batch.y), 0])


def test_batches_go_on_where_a_run_stood() -> None:
    def features(**more: Any) -> list[list[float]]:
        return [batch.x[:, 0].tolist() for batch in batches(of_graphs(), 1, epochs=4, **more)]

    whole = features()
    for start in (1, 4, 11):
        assert features(start_step=start) == whole[start:]
    assert features(seed=1) != whole


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_predictions_are_in_the_order_of_the_part(batch_size: int) -> None:
    task = of_graphs()
    for part, expected in (("train", [4, 0, 2]), ("valid", [5, 1]), ("test", [3])):
        targets, predictions = task.predictions(task.objective(Echo("graph")), part, batch_size, CPU)  # type: ignore[arg-type]
        assert targets[:, 0].tolist() == expected
        assert predictions[:, 0].tolist() == [number * SIZES[number] for number in expected]
    off = [abs(number * SIZES[number] - number) for number in (5, 1)]
    assert task.score(task.objective(Echo("graph")), "valid", batch_size, CPU) == pytest.approx(sum(off) / 2)
    nodes = of_nodes_of_graphs()
    targets, predictions = nodes.predictions(nodes.objective(Echo("node")), "valid", batch_size, CPU)
    assert targets.tolist() == predictions[:, 0].tolist() == [5] * SIZES[5] + [1] * SIZES[1]
    ring = of_nodes()
    targets, predictions = ring.predictions(ring.objective(Echo("node")), "train", batch_size, CPU)
    assert targets.tolist() == predictions.argmax(1).tolist() == [4, 0, 2]
    assert ring.score(ring.objective(Echo("node")), "train", batch_size, CPU) == 1


def test_scoring_needs_evaluation_mode_and_no_gradient() -> None:
    task, objective = of_graphs(), of_graphs().objective(nn.Module())
    seen: list[tuple[bool, bool]] = []

    class Watched(Echo):
        def forward(self, *args: Any, **given: Any) -> Tensor:
            seen.append((self.training, torch.is_grad_enabled()))
            return super().forward(*args, **given)

    objective = task.objective(Watched("graph")).train()
    task.score(objective, "valid", 1, CPU)
    assert seen == [(False, False)] * 2


def test_the_hash_is_of_the_parts_alone() -> None:
    task = of_graphs()
    same = of_graphs(learnt_from=("train", "valid"), node_types=3)
    moved = replace(task, splits=Splits(SPLITS.train, SPLITS.test, SPLITS.valid))
    ordered = replace(task, splits=replace(SPLITS, train=numbers(0, 2, 4)))
    assert task.splits_sha256 == same.splits_sha256
    assert len({one.splits_sha256 for one in (task, moved, ordered)}) == 3
    assert task.part_sizes == (3, 2, 1)
    assert task.summary == "toy: 6 graphs, 18 nodes, 6 edges; parts of 3, 2, 1"


def test_a_model_is_told_of_types_or_of_features() -> None:
    task = of_graphs()
    assert task.model_arguments == {"out_channels": 1, "readout": "graph", "in_channels": 1}
    typed = replace(task, node_types=(3, 2), edge_types=4)
    assert typed.model_arguments == {"out_channels": 1, "readout": "graph", "node_types": (3, 2), "edge_types": 4}
    featured = replace(task, graphs=replace(task.graphs, edge_attr=torch.zeros(6, 2)))
    assert featured.model_arguments["edge_channels"] == 2
    assert of_nodes().model_arguments["readout"] == "node"


def test_what_a_model_wants_small_is_added_to_the_loss() -> None:
    class Wanting(Echo):
        auxiliary_loss: Tensor | None = None

    task, model = of_graphs(), Wanting("graph")
    batch = next(iter(task.training_batches(1, 3, 1, seed=0, start_step=0, rank=0, world_size=1)))
    objective = task.objective(model)
    plain = objective(batch)
    assert set(plain) == {"loss"}
    model.auxiliary_loss = torch.tensor(0.25)
    losses = objective(batch)
    torch.testing.assert_close(losses["loss"], plain["loss"] + 0.25)
    assert losses["auxiliary"] == 0.25
