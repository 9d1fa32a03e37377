"""Links: what a step learns from, what it must not see, and scores by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from formerdata.graphs.community_links import community_links
from formerdata.graphs.packed import single
from formerdata.ogb import LinkPart, LinkSplits
from torch import Tensor, nn

from formerkit.io import ConfigError, DataError
from graphformers.layers.link_decoder import LinkDecoder
from graphformers.tasks import LinkSettings, LinkTask
from graphformers.tasks import link_task as module
from graphformers.tasks.link_metric import link_metric
from graphformers.tasks.link_objective import LinkObjective

CPU = torch.device("cpu")


class Told(nn.Module):
    """Embeddings that were given, whatever the graph; remembers what it saw."""

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.embeddings, self.edges = embeddings, torch.zeros(2, 0)

    def forward(self, x: Any, edge_index: Tensor, *_: Any, **__: Any) -> Tensor:
        self.edges = edge_index
        return self.embeddings


def communities(**changes: Any) -> LinkTask:
    graph, splits = community_links(communities=4, size=10, inside=0.5, between=0.02, negatives=60)
    graph = replace(graph, x=torch.arange(40))
    return LinkTask(graph, splits, link_metric("hits@5"), "toy", node_types=40, **changes)


def tiny(**changes: Any) -> LinkTask:
    """A path 0-1-2-3 is known; 4-5 and 3-4 are to be found."""
    pairs = torch.tensor([[0, 1], [1, 2], [2, 3]])
    edges = torch.cat([pairs, pairs.flip(1)]).T
    graph = single(edges, 6, name="tiny", x=torch.zeros(6, dtype=torch.int64))
    splits = LinkSplits(
        LinkPart(edge=pairs),
        LinkPart(edge=torch.tensor([[4, 5]]), edge_neg=torch.tensor([[0, 5], [1, 5]])),
        LinkPart(edge=torch.tensor([[3, 4], [0, 2]]), edge_neg=torch.tensor([[0, 4], [5, 1], [0, 3]])),
    )
    return replace(LinkTask(graph, splits, link_metric("hits@2"), "tiny", node_types=1), **changes)


def batches(task: LinkTask, count: int, *, start: int = 0, seed: int = 0, **more: Any) -> list[Any]:
    where = {"rank": 0, "world_size": 1, **more}
    return list(itertools.islice(task.training_batches(5, 8, 2, seed=seed, start_step=start, **where), count))


def unordered(pairs: Tensor) -> set[tuple[int, ...]]:
    return {tuple(pair) for pair in pairs.sort(1).values.tolist()}


def test_a_step_is_a_function_of_the_seed_and_its_number() -> None:
    task = communities().checked()
    whole = batches(task, 12)
    for start in (1, 4):
        for one, other in zip(whole[2 * start :], batches(task, 12, start=start), strict=False):
            assert torch.equal(one.links, other.links)
            assert torch.equal(one.false, other.false)
            assert torch.equal(one.graph.edge_index, other.graph.edge_index)
    false = [tuple(batch.false.flatten().tolist()) for batch in whole]
    false += [tuple(batch.false.flatten().tolist()) for batch in batches(task, 12, seed=1)]
    false += [tuple(batches(task, 1, rank=1, world_size=2)[0].false.flatten().tolist())]
    assert len(set(false)) == 25


def test_an_epoch_has_each_training_link_once_and_no_other() -> None:
    task = communities()
    steps = task.steps_per_epoch(16)
    seen = [pair for batch in batches(task, 2 * steps) for pair in unordered(batch.links)]
    assert len(seen) == len(set(seen)) == 16 * steps
    assert set(seen) <= unordered(task.splits.train.edge)


def test_false_links_are_none_of_those_that_training_knows_but_may_be_hidden_ones() -> None:
    task = communities()
    drawn = set().union(*(unordered(batch.false) for _ in range(1) for batch in batches(task, 10**6)))
    assert not drawn & unordered(task.splits.train.edge)
    assert all(a != b for a, b in drawn)
    # Leaving out hidden links would tell where they are.
    assert drawn & unordered(task.splits.test.edge)
    both = replace(task, learnt_from=("train", "valid"))
    drawn = set().union(*(unordered(batch.false) for batch in batches(both, 10**6)))
    assert not drawn & unordered(task.splits.valid.edge)
    assert drawn & unordered(task.splits.test.edge)


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_the_links_of_a_step_are_left_out_of_its_graph_both_ways(drop: bool, turned: bool) -> None:
    task = communities(settings=LinkSettings(drop_targets=drop))
    if turned:
        train = task.splits.train
        task = replace(task, splits=replace(task.splits, train=replace(train, edge=train.edge.flip(1))))
    everything = {tuple(edge) for edge in task.graphs.edge_index.T.tolist()}
    for batch in batches(task, 6):
        targets = {tuple(pair) for pair in torch.cat([batch.links, batch.links.flip(1)]).tolist()}
        edges = {tuple(edge) for edge in batch.graph.edge_index.T.tolist()}
        assert edges == (everything - targets if drop else everything)


def test_features_of_edges_stay_with_their_edges() -> None:
    task = communities()
    graph = task.graphs
    named = (graph.edge_index[0] * 40 + graph.edge_index[1])[:, None].float()
    for batch in batches(replace(task, graphs=replace(graph, edge_attr=named)), 3):
        edges = batch.graph.edge_index
        assert edges.shape[1] < graph.num_edges
        assert torch.equal(batch.graph.edge_attr[:, 0], (edges[0] * 40 + edges[1]).float())


@pytest.mark.parametrize("learnt_from", [("train",), ("train", "valid"), ("train", "valid", "test")])
@pytest.mark.parametrize("use_valid_edges", [False, True])
def test_no_hidden_link_is_in_the_graph_unless_asked_for(learnt_from: Any, use_valid_edges: bool) -> None:
    settings = LinkSettings(use_valid_edges=use_valid_edges, drop_targets=False)
    task = communities(learnt_from=learnt_from, settings=settings).checked()
    train, valid = unordered(task.splits.train.edge), unordered(task.splits.valid.edge)
    for batch in batches(task, 8):
        assert unordered(batch.graph.edge_index.T) == train
    model = Told(torch.zeros(40, 4))
    objective = LinkObjective(model, LinkDecoder(4, "dot"))
    task.score(objective, "valid", 1, CPU)
    assert unordered(model.edges.T) == train
    task.score(objective, "test", 1, CPU)
    assert unordered(model.edges.T) == (train | valid if use_valid_edges else train)
    assert model.edges.shape[1] == 2 * len(unordered(model.edges.T))
    seen = dict.fromkeys((*learnt_from, *(("valid",) if use_valid_edges else ())))
    assert task.labels_seen == tuple(seen)


def test_scores_by_hand() -> None:
    task = tiny().checked()
    place = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    objective = LinkObjective(Told(place[:, None]), LinkDecoder(1, "dot"))
    positive, negative = task.predictions(objective, "test", 1, CPU)
    assert positive.tolist() == [20, 3]
    assert negative.tolist() == [5, 12, 4]
    # Above the second best of 12, 5 and 4: one of two.
    assert task.score(objective, "test", 1, CPU) == 0.5
    assert replace(task, metric=link_metric("hits@3")).score(objective, "test", 1, CPU) == 0.5
    # 20 beats three of three false ones, 3 none.
    assert replace(task, metric=link_metric("rocauc")).score(objective, "test", 1, CPU) == pytest.approx(0.5)
    assert task.score(objective, "valid", 1, CPU) == 1
    with pytest.raises(ValueError, match="train has no false links"):
        task.score(objective, "train", 1, CPU)


def with_own_false(task: LinkTask) -> LinkTask:
    parts = {}
    for name in ("train", "valid", "test"):
        edge = getattr(task.splits, name).edge
        more = {} if name == "train" else {"target_node_neg": torch.tensor([[5, 1, 0]]).repeat(len(edge), 1)}
        parts[name] = LinkPart(source_node=edge[:, 0], target_node=edge[:, 1], **more)
    return replace(task, splits=LinkSplits(**parts), metric=link_metric("mrr"), own_false=True)


@pytest.mark.parametrize("at_once", [1, 2, 4, 1000])
def test_links_with_false_ones_of_their_own(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", at_once)
    task = with_own_false(tiny()).checked()
    objective = LinkObjective(Told(torch.arange(1.0, 7.0)[:, None]), LinkDecoder(1, "dot"))
    positive, negative = task.predictions(objective, "test", 1, CPU)
    # Links 3-4 and 0-2, and the false targets 5, 1 and 0 of 3 and of 0.
    assert positive.tolist() == [20, 3]
    assert negative.tolist() == [[24, 8, 4], [6, 2, 1]]
    assert task.score(objective, "test", 1, CPU) == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_the_loss_is_the_mean_over_links_and_false_ones() -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(40, 3)
    batch = batches(communities(), 1)[0]
    objective = LinkObjective(Told(embeddings), LinkDecoder(3, "mlp", 3))
    terms = []
    for pairs, label in ((batch.links, 1), (batch.false, 0)):
        for a, b in pairs.tolist():
            p = torch.sigmoid(objective.decoder(embeddings[a][None], embeddings[b][None]))[0]
            terms.append(-torch.log(p if label else 1 - p))
    assert len(terms) == 16
    assert objective(batch)["loss"].item() == pytest.approx(torch.stack(terms).mean().item(), rel=1e-5)


def test_directed_links_may_have_a_false_reverse() -> None:
    graph = single(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]]), 4, x=torch.zeros(4, dtype=torch.int64))
    part = LinkPart(source_node=graph.edge_index[0], target_node=graph.edge_index[1])
    task = LinkTask(graph, LinkSplits(part, part, part), link_metric("mrr"), "toy", own_false=True, directed=True)

    def drawn(task: LinkTask) -> set[tuple[int, ...]]:
        found = task.training_batches(200, 4, 1, seed=0, start_step=0, rank=0, world_size=1)
        return {tuple(pair) for batch in found for pair in batch.false.tolist()}

    assert drawn(task) == {(1, 0), (2, 1), (3, 2), (0, 3), (0, 2), (2, 0), (1, 3), (3, 1)}
    assert drawn(replace(task, directed=False)) == {(0, 2), (2, 0), (1, 3), (3, 1)}


def changed(part: str, **fields: Any) -> LinkTask:
    task = tiny()
    return replace(task, splits=replace(task.splits, **{part: replace(getattr(task.splits, part), **fields)}))


NONE = torch.zeros(0, 2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (changed("train", edge=torch.tensor([[0, 6]])), "split train.edge.*link 0 is .0, 6"),
        (changed("test", edge_neg=torch.tensor([[0, -1]])), "split test.edge_neg.*link 0 is"),
        (changed("valid", edge=torch.tensor([[3, 4]])), "stand in two parts.*valid and test"),
        (changed("test", edge=torch.tensor([[1, 0]])), "stand in two parts.*train and test"),
        (changed("train", edge=NONE), "split train.*is empty"),
        (changed("valid", edge=NONE), "split valid.*is empty"),
        (changed("test", edge_neg=None), "split test.edge_neg.*is absent or empty"),
        (changed("valid", edge_neg=NONE), "split valid.edge_neg.*is absent or empty"),
        (changed("train", edge=torch.tensor([[0, 1]]), edge_neg=NONE), None),
        (changed("train", edge=None), "split train.*edge, or source_node and target_node"),
        (tiny(own_false=True), "split valid.edge_neg.*does not fit the metric"),
        (replace(with_own_false(tiny()), own_false=False), "split valid.target_node_neg.*does not fit the metric"),
    ],
)
def test_links_that_cannot_be_are_named(task: LinkTask, message: str | None) -> None:
    if message is None:  # the rest of the graph may be known otherwise
        task.checked()
        return
    with pytest.raises(DataError, match=message):
        task.checked()


def test_graphs_that_cannot_be_are_named() -> None:
    task = tiny()
    graph = task.graphs
    leak = torch.cat([graph.edge_index, torch.tensor([[4], [3]])], 1)
    for other, message in (
        (single(leak, 6), r"split test.*1 links are edges of the graph, the first is .3, 4"),
        (single(graph.edge_index, 6, x=torch.full((6, 1), torch.nan)), "field 'x'.*row 0 is not finite"),
        (single(torch.tensor([[0], [9]]), 6), "edge_index"),
        (single(NONE.T, 0), "no nodes"),
        (replace(graph, node_starts=torch.tensor([0, 6, 6]), edge_starts=torch.tensor([0, 6, 6])), "2 graphs"),
    ):
        with pytest.raises(DataError, match=message):
            replace(task, graphs=other).checked()
    settings = LinkSettings(use_valid_edges=True)
    featured = replace(graph, edge_attr=torch.zeros(6, 2))
    with pytest.raises(DataError, match="no features to enter the graph"):
        replace(task, graphs=featured, settings=settings).checked()


def test_authors_that_meet_again_are_no_leak() -> None:
    """As in ogbl-collab: the same pair in training and test, of another year."""
    task = tiny()
    years = {"train": 2010, "valid": 2018, "test": 2019}
    edges = {name: getattr(task.splits, name).edge for name in years}
    edges["test"] = torch.tensor([[0, 1], [3, 4]])
    parts = {
        name: replace(getattr(task.splits, name), edge=edge, year=torch.full((len(edge),), years[name]))
        for name, edge in edges.items()
    }
    met = replace(task, splits=LinkSplits(**parts)).checked()
    # As input, an edge that is in the graph already is not there a second time.
    edges["valid"], edges["test"] = edges["test"], edges["valid"]
    swapped = {name: replace(parts[name], edge=edge, year=torch.full((len(edge),), years[name]))
               for name, edge in edges.items()}  # fmt: skip
    met = replace(met, splits=LinkSplits(**swapped), settings=LinkSettings(use_valid_edges=True)).checked()
    more = met.graph_for("test").edge_index[:, met.graphs.num_edges :]
    assert sorted(more.T.tolist()) == [[3, 4], [4, 3]]
    assert met.graph_for("valid") is met.graphs


def test_the_graph_where_all_are_linked_is_refused() -> None:
    pairs = torch.tensor([[0, 1]])
    graph = single(torch.tensor([[0, 1], [1, 0]]), 2)
    part = LinkPart(edge=pairs)
    task = LinkTask(graph, LinkSplits(part, part, part), link_metric("hits@1"), "toy")
    with pytest.raises(DataError, match="all nodes are linked"):
        next(task.training_batches(1, 1, 1, seed=0, start_step=0, rank=0, world_size=1))


def test_the_hash_tells_links_and_false_links() -> None:
    task = tiny()
    others = [
        changed("train", edge=task.splits.train.edge.flip(0)),
        changed("test", edge_neg=task.splits.test.edge_neg[:2]),
        changed("valid", weight=torch.ones(1)),
    ]
    assert len({one.splits_sha256 for one in (task, *others)}) == 4
    assert task.splits_sha256 == tiny(learnt_from=("train", "valid")).splits_sha256
    assert task.part_sizes == (3, 1, 2)


def test_settings_that_cannot_be_are_named() -> None:
    with pytest.raises(ConfigError, match=r"data\.links\.channels: expected at least 1"):
        LinkSettings(channels=0)
    for measure in ("hits", "hits@0", "hits@x", "f1"):
        with pytest.raises(ConfigError, match=f"measured by '{measure}'"):
            link_metric(measure)
