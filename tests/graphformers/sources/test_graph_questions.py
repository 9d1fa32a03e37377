"""Questions as tasks: what each predicts, how it is scored, that a model can learn it, and what cannot be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from formerdata.graphs.questions import QUESTION_NAMES, QUESTIONS, QuestionName
from formerdata.graphs.triangle_counts import KINDS, Kind

from formerkit.io import ConfigError, DataError
from graphformers.models import MPNNVirtualNode
from graphformers.sources import SOURCES, ColourConnectivity, GraphQuestions, TriangleCounts
from graphformers.tasks import GraphTask

CPU = torch.device("cpu")
FEW = {"train": 6, "valid": 4, "test": 4}
OUTPUTS = {"node_degree": 19, "colour_counting": 20, "distinct_colours": 6, "colour_counts": 5, "marked_degree": 19}


def trained(task: GraphTask) -> dict[str, float]:
    """Scores of the test part after a step of training."""
    torch.manual_seed(0)
    model = MPNNVirtualNode(8, num_layers=1, conv="gine", virtual="none", **task.model_arguments)
    objective = task.objective(model)
    batch = task.graphs.batch(task.splits.train)
    objective(batch)["loss"].backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in model.parameters())
    targets, predictions = task.predictions(objective, "test", 2, CPU)
    return {metric.name: metric(targets, predictions) for metric in (task.metric, *task.metric.also)}


@pytest.mark.parametrize("question", QUESTION_NAMES)
def test_each_question_can_be_trained(question: QuestionName) -> None:
    task = GraphQuestions(question, **FEW).task().checked()  # type: ignore[arg-type]
    asked = QUESTIONS[question]
    assert task.level == asked.of
    assert task.outputs == OUTPUTS.get(question, 1 if asked.kind == "number" else 2)
    assert task.loss == ("mse" if asked.kind == "number" else "cross_entropy")
    assert task.metric.name == ("RMSE" if asked.kind == "number" else "accuracy")
    assert task.node_types == {"colours": 5}.get(asked.shown, 2 if asked.marks else 1)
    assert ("edge_channels" in task.model_arguments) == (question == "maximum_flow")
    assert task.source.startswith(f"built-in question {question}")
    scores = trained(task)
    assert set(scores) == ({"RMSE", "MSE / variance", "RMSE / deviation"} if asked.kind == "number" else {"accuracy"})


@pytest.mark.parametrize("kind", KINDS)
def test_triangles_can_be_trained(kind: Kind) -> None:
    task = TriangleCounts(kind, **FEW).task().checked()
    assert (task.level, task.outputs, task.loss, task.node_types) == ("graph", 1, "mse", 1)
    assert list(trained(task)) == ["RMSE", "MSE / variance", "RMSE / deviation"]


def test_islands_can_be_trained(tmp_path: Path) -> None:
    task = ColourConnectivity(side=4, **FEW).task().checked()
    assert (task.level, task.outputs, task.loss, task.node_types) == ("graph", 2, "cross_entropy", 2)
    assert task.source == "built-in colours on a grid of 4 x 4, seed 0"
    assert list(trained(task)) == ["accuracy"]
    (tmp_path / "ring.edges").write_text("6 6\n" + "".join(f"{a} {a % 6 + 1}\n" for a in range(1, 7)))
    task = ColourConnectivity(roads=str(tmp_path / "ring.edges"), **FEW).task().checked()  # type: ignore[arg-type]
    assert task.source == f"built-in colours on roads of 6 nodes ({tmp_path}/ring.edges), seed 0"


def test_arguments_reach_the_generator() -> None:
    task = GraphQuestions(
        "colour_counting", families=["star"], nodes=(4, 6), colours=3, data_seed=7, **FEW
    ).task().checked()  # type: ignore[arg-type]  # fmt: skip
    assert (task.outputs, task.node_types) == (7, 3)
    assert set(task.graphs.node_starts.diff().tolist()) <= {4, 5, 6}
    assert torch.equal(task.graphs.edge_starts.diff(), 2 * (task.graphs.node_starts.diff() - 1))
    assert task.part_sizes == (6, 4, 4)
    natural = GraphQuestions("reachability", balanced=False, train=50).task()
    assert int(natural.graphs.y[:50].sum()) > 30  # type: ignore[index]


def test_constant_answers_have_no_share_of_a_deviation() -> None:
    task = GraphQuestions("node_count", nodes=(5, 5), **FEW).task().checked()  # type: ignore[arg-type]
    assert list(trained(task)) == ["RMSE"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (GraphQuestions("nonsense"), "question: expected one of node_degree"),  # type: ignore[arg-type]
        (GraphQuestions(families=["tree"]), "families: expected some of er"),  # type: ignore[list-item]
        (GraphQuestions(nodes=(2, 5)), "nodes: expected"),
        (GraphQuestions(colours=0), "colours: expected"),
        (GraphQuestions(train=0), "train: expected at least 1 graph, got 0"),
        (TriangleCounts("regular"), "kind: expected"),  # type: ignore[arg-type]
        (TriangleCounts(valid=0), "valid: expected"),
        (ColourConnectivity(side=1), "side: expected"),
        (ColourConnectivity(test=0), "test: expected"),
    ],
)
def test_what_cannot_be_is_refused(source: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=f"^data: {told}"):
        source.task()


def test_an_absent_file_of_roads_is_no_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.edges: no such file"):
        ColourConnectivity(roads=str(tmp_path / "no.edges")).task()


def test_the_sources_can_be_chosen() -> None:
    assert {GraphQuestions, TriangleCounts, ColourConnectivity} <= set(SOURCES)
