"""Classes from the baselines' states, and the leak test of models of classes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from formerdata.temporal import ConditionOracle, Conditions, EventStream, with_conditions
from torch import Tensor

from formerkit.seeds import torch_generator
from graphformers.models import Todyformer
from graphformers.temporal import GraphMixerLike, NodeStateClassifier, TGNLike
from graphformers.testing import assert_no_leak
from tests.graphformers.temporal.streams import random_stream

STREAM = replace(
    random_stream(1, 150, channels=3), y=torch.randint(0, 2, (150,), generator=torch_generator(0, "labels"))
)


def baseline(kind: str, event_channels: int = 3) -> NodeStateClassifier:
    pytest.importorskip("torch_geometric")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "mixer":
            return NodeStateClassifier(
                GraphMixerLike(8, edge_channels=3, num_recent=4, time_channels=6), 2, event_channels=event_channels
            )
        return NodeStateClassifier(TGNLike(9, 8, edge_channels=3, num_recent=4, group=16), 2,
                                   event_channels=event_channels)  # fmt: skip


def asked(count: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    assert STREAM.edge_attr is not None
    return STREAM.src[130 : 130 + count], STREAM.t[130 : 130 + count], STREAM.edge_attr[130 : 130 + count]


@pytest.mark.parametrize("kind", ["mixer", "tgn"])
def test_baselines_have_no_leak_and_all_that_is_told_counts(kind: str) -> None:
    model = baseline(kind)
    assert_no_leak(model, STREAM, ask="classes", batch_size=20, firsts=[0, 60, 120])
    assert model.stateful == (kind == "tgn")
    model.eval()
    src, t, told = asked()
    logits = model.class_logits(STREAM, 120, src, t, told)
    assert logits.shape == (20, 2)
    for other in ((src.flip(0), t, told), (src, t + 5, told), (src, t, told + 1)):
        assert not torch.equal(model.class_logits(STREAM, 120, *other), logits)
    assert not torch.equal(model.class_logits(STREAM, 60, src, t, told), logits)
    alone = baseline(kind, 0).eval()
    assert torch.equal(alone.class_logits(STREAM, 120, src, t, told), alone.class_logits(STREAM, 120, src, t, None))


@pytest.mark.parametrize("kind", ["mixer", "tgn"])
def test_gradients_reach_all_but_the_decoder_of_links(kind: str) -> None:
    model = baseline(kind)
    model.class_logits(STREAM, 120, *asked()).square().sum().backward()
    for name, parameter in model.named_parameters():
        if name.startswith("encoder.decoder."):
            assert not parameter.requires_grad
        else:
            assert parameter.grad is not None, name
            assert bool((parameter.grad != 0).any()), name


def test_features_that_are_missing() -> None:
    src, t, told = asked()
    with pytest.raises(ValueError, match=r"edge_attr: expected \[20, 3\], got None"):
        baseline("mixer").class_logits(STREAM, 120, src, t, None)
    with pytest.raises(ValueError, match=r"edge_attr: expected \[20, 3\], got \[19, 3\]"):
        baseline("mixer").class_logits(STREAM, 120, src, t, told[1:])


@pytest.mark.parametrize("event_features", [True, False])
def test_todyformer_and_the_process_itself_have_no_leak(event_features: bool) -> None:
    torch.manual_seed(0)
    model = Todyformer(8, 1, 2, window=40, patches=3, time_dim=6, edge_dim=3, classes=3, event_features=event_features)
    assert_no_leak(model, STREAM, ask="classes", batch_size=20, firsts=[0, 60, 131])
    conditions = Conditions(duration=20.0, channels=3)
    oracle = ConditionOracle(conditions, event_features)
    assert_no_leak(oracle, with_conditions(STREAM, conditions), ask="classes", batch_size=20, firsts=[0, 60, 131])


class SharesOfLabels:
    """How often a node had label 1: among known events; or also the next one's, or of all."""

    def __init__(self, more: int) -> None:
        self.more = more

    def class_logits(self, events: EventStream, end: int, src: Tensor, t: Tensor, edge_attr: Tensor | None) -> Tensor:
        assert events.y is not None
        known = events[: end + self.more]
        ones = torch.zeros(events.num_nodes).index_add(0, known.src, known.y.float())  # type: ignore[union-attr]
        return torch.stack([torch.zeros(len(src)), ones[src]], 1)


def test_labels_of_the_past_may_be_looked_at_and_those_to_come_may_not() -> None:
    plain = replace(STREAM, edge_attr=None)
    assert_no_leak(SharesOfLabels(0), plain, ask="classes", batch_size=20)
    for more in (1, 150):
        with pytest.raises(AssertionError, match="scores differ"):
            assert_no_leak(SharesOfLabels(more), plain, ask="classes", batch_size=20)
    with pytest.raises(ValueError, match="ask: 'labels', expected 'links' or 'classes'"):
        assert_no_leak(SharesOfLabels(0), plain, ask="labels")  # type: ignore[arg-type]
