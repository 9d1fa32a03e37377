"""GraphMixerLike and TGNLike: what they are a function of, and that they learn."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from formerdata.temporal import EventStream

from formerkit.seeds import torch_generator
from graphformers.temporal import GraphMixerLike, TGNLike
from graphformers.temporal.node_state_scorer import NodeStateScorer
from graphformers.testing import assert_no_leak
from tests.graphformers.temporal.streams import random_stream

pytest.importorskip("torch_geometric")
STREAM = replace(random_stream(1, 150, channels=3), x=torch.randn(9, 4, generator=torch_generator(0, "x")))


def model(kind: str, *, edge_channels: int = 3, node_channels: int = 4) -> NodeStateScorer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "mixer":
            return GraphMixerLike(
                8, edge_channels=edge_channels, node_channels=node_channels, num_recent=4, time_channels=6
            )
        return TGNLike(9, 8, edge_channels=edge_channels, num_recent=4, group=16)


def asked(events: EventStream, first: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batch = slice(first, first + 10)
    others = torch.randint(0, events.num_nodes, (10, 3), generator=torch_generator(first, "asked"))
    return events.src[batch], torch.cat([events.dst[batch][:, None], others], 1), events.t[batch]


@pytest.mark.parametrize("ties", ["time", "index"])
@pytest.mark.parametrize("kind", ["mixer", "tgn"])
def test_no_leak(kind: str, ties: str) -> None:
    assert_no_leak(model(kind), STREAM, batch_size=20, ties=ties)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["mixer", "tgn"])
def test_scores_are_a_function_of_the_known_events(kind: str) -> None:
    """Whatever was asked before, at whichever places, and also of events without features."""
    plain = replace(STREAM, edge_attr=None, x=None)
    for events, channels in ((STREAM, (3, 4)), (plain, (0, 0))):
        walking = model(kind, edge_channels=channels[0], node_channels=channels[1]).eval()
        for end in (0, 7, 7, 40, 41, 48, 100, 99, 32, 130):
            fresh = model(kind, edge_channels=channels[0], node_channels=channels[1]).eval()
            question = asked(events, 130)
            assert torch.equal(walking.scores(events, end, *question), fresh.scores(events, end, *question))


@pytest.mark.parametrize("kind", ["mixer", "tgn"])
def test_depends_on_each_kind_of_what_is_known(kind: str) -> None:
    """A model that looks at nothing has no leak either."""
    scorer, question = model(kind).eval(), asked(STREAM, 130)
    scores = scorer.scores(STREAM, 130, *question)
    for column in ("src", "dst", "edge_attr", "t"):
        values = getattr(STREAM, column)
        other = replace(STREAM, **{column: values.flip(0) if column != "t" else values**2})
        assert not torch.equal(scores, scorer.scores(other, 130, *question)), column
    later = question[2] + 5
    assert not torch.equal(scores, scorer.scores(STREAM, 130, *question[:2], later))


@pytest.mark.parametrize("kind", ["mixer", "tgn"])
def test_pairs_one_by_one_have_the_scores_of_all_together(kind: str) -> None:
    scorer, (src, dst, t) = model(kind).eval(), asked(STREAM, 130)
    together = scorer.scores(STREAM, 120, src, dst, t)
    for row in range(3):
        for column in range(4):
            one = scorer.scores(
                STREAM, 120, src[row : row + 1], dst[row : row + 1, column : column + 1], t[row : row + 1]
            )
            assert one.item() == pytest.approx(together[row, column].item(), abs=1e-5)


@pytest.mark.parametrize("kind", ["mixer", "tgn"])
def test_times_are_measured_from_each_other(kind: str) -> None:
    scorer, (src, dst, t) = model(kind).eval(), asked(STREAM, 130)
    moved = replace(STREAM, t=STREAM.t + 2.0**20)
    assert torch.equal(scorer.scores(STREAM, 120, src, dst, t), scorer.scores(moved, 120, src, dst, t + 2.0**20))


@pytest.mark.parametrize("kind", ["mixer", "tgn"])
def test_loss_reaches_all_parameters(kind: str) -> None:
    scorer = model(kind)
    src, dst, t = asked(STREAM, 130)
    loss = scorer.loss(STREAM, 120, src, dst[:, 0], dst[:, 1:], t)
    loss.backward()
    for name, parameter in scorer.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name


@pytest.mark.parametrize("kind", ["mixer", "tgn"])
def test_learns_who_is_active(kind: str) -> None:
    """Four of nine nodes are, negatives are drawn from all; to know that takes the loss from 1.39 to 0.89."""
    draw, losses = torch_generator(0, "pairs"), []
    events = EventStream(*torch.randint(0, 4, (2, 400), generator=draw), torch.arange(400).double(), 9)
    scorer = model(kind, edge_channels=0, node_channels=0)
    optimizer = torch.optim.Adam(scorer.parameters(), 1e-2)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of dropout
        for first in [*range(0, 400, 40)] * 4:
            batch = slice(first, first + 40)
            negatives = torch.randint(0, 9, (40, 1), generator=draw)
            loss = scorer.loss(events, first, events.src[batch], events.dst[batch], negatives, events.t[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 1.05


def test_checkpoints_hold_parameters_only_and_reset_the_memory() -> None:
    first, second = model("tgn").eval(), model("tgn").eval()
    question = asked(STREAM, 130)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.mul_(1.5)
    expected = first.scores(STREAM, 130, *question)
    assert set(first.state_dict()) == {name for name, _ in first.named_parameters()}
    assert not torch.equal(second.scores(STREAM, 130, *question), expected)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.scores(STREAM, 130, *question), expected)


def test_switching_to_evaluation_does_not_touch_the_memory() -> None:
    scorer, question = model("tgn"), asked(STREAM, 130)
    scorer.conv.dropout = 0.0  # type: ignore[union-attr]
    training = scorer.scores(STREAM, 130, *question)
    assert torch.equal(scorer.eval().scores(STREAM, 130, *question), training)
    assert torch.equal(scorer.train().scores(STREAM, 130, *question), training)
    assert scorer.training


def test_refuses_other_features_and_nodes() -> None:
    question = asked(STREAM, 130)
    for kind in ("mixer", "tgn"):
        with pytest.raises(ValueError, match="edge_channels: the model was made for 2, the events have 3"):
            model(kind, edge_channels=2).scores(STREAM, 130, *question)
    with pytest.raises(ValueError, match="node_channels: the model was made for 5, nodes have 4"):
        model("mixer", node_channels=5).scores(STREAM, 130, *question)
    with pytest.raises(ValueError, match="10 nodes, the model was made for 9"):
        model("tgn").scores(replace(STREAM, num_nodes=10), 130, *question)
    for wrong in ({"time_unit": 0.0}, {"num_recent": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            GraphMixerLike(8, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="group"):
        TGNLike(9, 8, group=0)
