"""OGB's links as tasks: each form of its homogeneous sets, and what cannot be trained."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from formerdata import ogb
from formerdata.graphs.packed import single

from formerkit.io import ConfigError
from graphformers import submit
from graphformers.models import GraphTransformer
from graphformers.sources import OGB
from graphformers.tasks import LinkSettings, LinkTask
from tests.formerdata.ogb.samples import task

CPU = torch.device("cpu")


def written(folder: Path, sample: Any, **meta: Any) -> Path:
    return ogb.write_task(folder / "toy", replace(sample, meta=replace(sample.meta, **meta)))


def sample(form: str, metric: str, *, features: bool = True, inverse: bool = False) -> Any:
    """A data set of links whose nodes have features that training can bear, and whose hidden links are hidden."""
    found = task(form, 0, binary=False)
    train = found.splits.train
    ends = train.edge.T if train.edge is not None else torch.stack([train.source_node, train.target_node])
    if inverse:
        ends = torch.stack([ends, ends.flip(0)], 2).flatten(1)
    graph = single(ends, 6, x=torch.eye(6) if features else None)
    meta = replace(
        found.meta, eval_metric=metric, has_edge_attr=False, has_node_attr=features, node_files=(), edge_files=(),
        add_inverse_edge=inverse,
    )  # fmt: skip
    return replace(found, meta=meta, graph=graph, node_arrays={}, edge_arrays={})


def trained_and_scored(found: LinkTask) -> float:
    torch.manual_seed(0)
    model = GraphTransformer(channels=8, num_layers=1, heads=2, **found.model_arguments)
    objective = found.objective(model)
    batch = next(found.training_batches(1, 2, 1, seed=0, start_step=0, rank=0, world_size=1))
    objective(batch)["loss"].backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in objective.parameters())
    return found.score(objective, "test", 1, CPU)


@pytest.mark.parametrize(
    ("form", "metric"), [("link", "hits@2"), ("link", "hits@50"), ("link", "rocauc"), ("citation", "mrr")]
)
@pytest.mark.parametrize("features", [False, True])
def test_each_form_is_trained_and_scored(tmp_path: Path, form: str, metric: str, features: bool) -> None:
    folder = written(tmp_path, sample(form, metric, features=features))
    found = OGB(str(folder), links=LinkSettings(channels=8)).task()
    assert isinstance(found, LinkTask)
    found.checked()
    assert (found.metric.name, found.own_false, found.directed) == (metric, metric == "mrr", True)
    assert 0 <= trained_and_scored(found) <= 1
    assert found.model_arguments["out_channels"] == 8
    if features:
        assert found.model_arguments["in_channels"] == 6
    else:
        assert found.model_arguments["node_types"] == 6
        assert found.graphs.x is not None
        assert found.graphs.x.tolist() == list(range(6))


def test_the_inverse_edges_make_links_undirected(tmp_path: Path) -> None:
    found = OGB(str(written(tmp_path, sample("link", "hits@2", inverse=True)))).task()
    assert isinstance(found, LinkTask)
    assert not found.checked().directed


def test_undirected_adds_reverse_edges_and_keeps_directed_links(tmp_path: Path) -> None:
    folder = str(written(tmp_path, sample("citation", "mrr")))
    one, both = OGB(folder).task(), OGB(folder, undirected=True).task()
    assert isinstance(both, LinkTask)
    both.checked()
    edges = {tuple(edge) for edge in one.graphs.edge_index.T.tolist()}
    assert {tuple(edge) for edge in both.graphs.edge_index.T.tolist()} == edges | {(b, a) for a, b in edges}
    assert both.directed


@pytest.mark.skipif(find_spec("ogb") is None, reason="ogb is not installed")
@pytest.mark.parametrize(("name", "form"), [("ogbl-ddi", "link"), ("ogbl-citation2", "citation")])
def test_ogb_scores_its_own_sets_as_we_do(tmp_path: Path, name: str, form: str) -> None:
    meta = replace(ogb.known(name), node_files=(), edge_files=(), add_inverse_edge=False)
    made = sample(form, meta.eval_metric, features=meta.has_node_attr)
    folder = ogb.write_task(tmp_path / "toy", replace(made, meta=meta))
    found = ogb.read_task(folder, meta)
    assert isinstance(found, ogb.LinkTask)
    from graphformers.sources.ogb_links import link_task

    theirs, ours = (
        link_task(found, found.graph, LinkSettings(channels=8), "x", scored_by_ogb=scored) for scored in (True, False)
    )
    assert trained_and_scored(theirs) == pytest.approx(trained_and_scored(ours), rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "message"),
    [("triplets", "have relations .head, relation, tail."), ("hetero link", "HeteroLinkTask of ogbl-toy cannot be")],
)
def test_links_of_several_kinds_are_refused(tmp_path: Path, kind: str, message: str) -> None:
    folder = written(tmp_path, task(kind, 0, binary=False), eval_metric="mrr")
    with pytest.raises(ConfigError, match=message):
        OGB(str(folder)).task()


def test_settings_and_measures_that_do_not_fit_are_named(tmp_path: Path) -> None:
    folder = written(tmp_path, sample("link", "acc"))
    with pytest.raises(ConfigError, match="links measured by 'acc' cannot be scored"):
        OGB(str(folder)).task()
    nodes = written(tmp_path / "nodes", task("node", 0, binary=False), eval_metric="rocauc")
    with pytest.raises(ConfigError, match=r"data.links: ogbn-toy has no links"):
        OGB(str(nodes), links=LinkSettings(decoder="dot")).task()


@pytest.mark.skipif(find_spec("ogb") is None, reason="ogb is not installed")
def test_ogbl_collab_may_learn_from_validation_links(tmp_path: Path) -> None:
    pairs = [torch.tensor([[0, 1], [1, 2], [2, 3]]), torch.tensor([[3, 4], [0, 1]]), torch.tensor([[4, 5]])]
    parts = [
        ogb.LinkPart(
            edge=edge, edge_neg=None if number == 0 else torch.tensor([[0, 5], [1, 5]]),
            weight=torch.ones(len(edge), dtype=torch.int64), year=torch.full((len(edge),), 2017 + number),
        )
        for number, edge in enumerate(pairs)
    ]  # fmt: skip
    edges = torch.stack([pairs[0], pairs[0].flip(1)], 1).reshape(-1, 2).T
    ones = torch.ones(6, 1, dtype=torch.int64)
    made = ogb.LinkTask(
        ogb.known("ogbl-collab"), single(edges, 6, x=torch.eye(6)), ogb.LinkSplits(*parts),
        edge_arrays={"edge_weight": ones, "edge_year": 2017 * ones},
    )  # fmt: skip
    folder = ogb.write_task(tmp_path / "collab", made)
    words = [
        "--data.name=OGB", f"--data.root={folder}", "--data.dataset=ogbl-collab", "--encoding.kind=none",
        "--model.channels=8", "--model.heads=2", "--model.num_layers=1", "--training.epochs=1",
        "--training.batch_size=2", "--training.accelerator=cpu", "--learn_from=[train, valid]",
        "--data.links.use_valid_edges=true", f"--output={tmp_path / 'run'}", "--seeds=1",
    ]  # fmt: skip
    assert submit.main(words) == 0
    result = json.loads((tmp_path / "run" / "seed_0" / "result.json").read_text())
    assert result["learnt_from"] == ["train", "valid"]
    assert result["metric"] == "hits@50"
    assert result["test"] == 1  # with fewer than 50 false links
