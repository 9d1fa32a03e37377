"""Todyformer: its formulas, and what must not matter to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from formerdata.temporal import EventStream
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphformers.layers.node_states import NodeStates
from graphformers.models import Todyformer
from tests.graphformers.models import todyformer_twin as twin

NODES = 9
SIZES = {"channels": 8, "num_layers": 2, "heads": 2, "time_dim": 6}


def model_for(**options: Any) -> Todyformer:
    """In evaluation, with weights far from nil."""
    torch.manual_seed(0)
    model = Todyformer(**({**SIZES, "patches": 3, "window": 40} | options)).double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.4)
    return model.eval()


def some_events(count: int, seed: int = 0, *, nodes: int = NODES, ticks: int = 20) -> EventStream:
    """Times are whole, so many are equal; two nodes never have an event."""
    g = torch.Generator().manual_seed(seed)
    src, dst = torch.randint(0, nodes - 2, (2, count), generator=g)
    return EventStream(
        src, dst, torch.randint(0, ticks, (count,), generator=g).double().sort().values, nodes,
        edge_attr=torch.randn(count, 3, generator=g), x=torch.randn(nodes, 4, generator=g),
    )  # fmt: skip


def questions(seed: int = 0, batch: int = 4, candidates: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    dst = torch.randint(0, NODES, (batch, candidates), generator=g)
    return torch.randint(0, NODES, (batch,), generator=g), dst, 30.0 + torch.arange(batch).double()


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "features": {"edge_dim": 3, "node_dim": 4},
    "causal, mean": {"causal": True, "readout": "mean"},
    "no patches": {"patches": 1},
    "no global encoder": {"global_encoder": False, "local_layers": 2},
    "no time": {"time_encoding": False, "positions": False},
    "nothing of events": {"time_encoding": False, "degrees": False, "meetings": False},
    "degrees alone": {"meetings": False, "edge_dim": 3},
    "meetings": {"degrees": False, "pair_meetings": True},
    "meetings without time": {"time_encoding": False, "pair_meetings": True},
    "no blocks": {"num_layers": 0, "node_dim": 4},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_equals_the_formula(name: str) -> None:
    model, events = model_for(**OPTIONS[name]), some_events(17)
    src, dst, t = questions()
    states = model.encode(events, 25.0)
    wanted_states = twin.encode(model, events, 25.0)
    assert states.nodes.tolist() == sorted(wanted_states)
    torch.testing.assert_close(states.h, torch.stack([wanted_states[v][0] for v in states.nodes.tolist()]))
    assert states.t_last.tolist() == [wanted_states[v][1] for v in states.nodes.tolist()]
    got = model.score(states, src, dst, t)
    wanted = torch.stack([
        torch.stack([twin.score(model, events, wanted_states, int(u), int(v), float(time)) for v in row])
        for u, row, time in zip(src, dst, t, strict=True)
    ])  # fmt: skip
    torch.testing.assert_close(got, wanted)
    loss = torch.linspace(-1.0, 1.0, got.numel(), dtype=torch.float64).view(got.shape)
    parameters = [p for p in model.parameters() if p.requires_grad]
    for one, other in zip(
        torch.autograd.grad((got * loss).sum(), parameters, allow_unused=True),
        torch.autograd.grad((wanted * loss).sum(), parameters, allow_unused=True),
        strict=True,
    ):
        torch.testing.assert_close(*(torch.zeros(()).double() if x is None else x for x in (one, other)))


def value_and_gradients(model: Todyformer, answers: Tensor) -> list[Tensor]:
    loss = (answers * torch.linspace(-1.0, 1.0, answers.numel(), dtype=torch.float64).view(answers.shape)).sum()
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [answers, *(torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True))]


@pytest.mark.parametrize("name", OPTIONS)
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 25), batch=st.integers(1, 3))
def test_only_what_is_asked_for_is_computed_and_it_is_the_same(name: str, seed: int, count: int, batch: int) -> None:
    """Answers of one call, which look at what they depend on, and those from the states of all nodes."""
    model, events = model_for(**({"num_layers": 3} | OPTIONS[name])), some_events(count, seed)
    src, dst, t = questions(seed, batch, 1)
    wanted = model.score(model.encode(events, float(events.t[-1]) if count else 0.0), src, dst, t)
    got = model.scores(events, count, src, dst, t)
    for one, other in zip(value_and_gradients(model, got), value_and_gradients(model, wanted), strict=True):
        torch.testing.assert_close(one, other)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 12), patches=st.integers(1, 5))
def test_equals_the_formula_on_any_window(seed: int, count: int, patches: int) -> None:
    model, events = model_for(num_layers=1, patches=patches), some_events(count, seed)
    states, wanted = model.encode(events, 25.0), twin.encode(model, events, 25.0)
    assert states.nodes.tolist() == sorted(wanted)
    for node, row in zip(states.nodes.tolist(), states.h, strict=True):
        torch.testing.assert_close(row, wanted[node][0])


@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("name", OPTIONS)
def test_all_that_can_learn_does(name: str, classes: int | None) -> None:
    events, (src, dst, t) = some_events(40), questions()
    if classes is None:
        model = model_for(**OPTIONS[name])
        answers = model.score(model.encode(events, 25.0), src, dst, t)
    else:
        model = model_for(classes=classes, **OPTIONS[name])
        of_events = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)) if model.edge_dim else None
        # Nodes with several events in the last patch, for among one attention has nothing to choose; and one not seen.
        answers = model.classify(model.encode(events, 25.0), torch.tensor([0, 1, 3, 8]), t, of_events)
    answers.square().sum().backward()
    # One copy a node: whatever its keys and queries are, it attends to itself.
    idle = ("q_proj", "k_proj") if model.patches == 1 else ()
    still = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-9}
    # In the first layer nodes without features are alike, and what they have in common chooses nothing.
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    alike = (
        () if model.node_dim or name == "no blocks" else ("query", "key") if name == "nothing of events" else ("key",)
    )
    assert {one.rsplit(".", 1)[0] for one in frozen} == {f"blocks.0.local.0.{one}" for one in alike}
    still -= frozen
    assert {one for one in still if one.split(".")[-2] not in idle} == set()


@pytest.mark.parametrize("name", ["plain", "features", "no time"])
@pytest.mark.parametrize("event_features", [True, False])
def test_classes_are_those_of_the_formula(name: str, event_features: bool) -> None:
    model, events = model_for(classes=3, event_features=event_features, **OPTIONS[name]), some_events(17)
    src = torch.tensor([0, 3, 3, NODES - 1])
    t, told = 30.0 + torch.arange(4).double(), torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).double()
    wanted, decoder = twin.encode(model, events, 25.0), model.classes
    assert decoder is not None
    rows = []
    for u, time, x in zip(src.tolist(), t.tolist(), told, strict=True):
        away = model.absent if model.features is None else model.absent + model.features(events.x[u].double())  # type: ignore[index]
        hidden = decoder.node(wanted[u][0] if u in wanted else away)
        if decoder.age is not None and u in wanted:
            hidden = hidden + decoder.age(twin.phi(model, time - wanted[u][1]))
        if event_features and model.edge_dim:
            assert decoder.event is not None
            hidden = hidden + decoder.event(x)
        rows.append(decoder.out(hidden.relu()))
    torch.testing.assert_close(model.classify(model.encode(events, 25.0), src, t, told), torch.stack(rows))
    assert (decoder.event is None) == (not event_features or model.edge_dim is None)


def test_nothing_from_the_end_on_changes_a_bit() -> None:
    model, events = model_for(edge_dim=3, pair_meetings=True).float(), some_events(60)
    end = 45
    src, dst, t = questions()
    wanted = model.scores(events, end, src, dst, t)
    g = torch.Generator().manual_seed(1)
    order = torch.cat([torch.arange(end), end + torch.randperm(15, generator=g)])
    assert events.edge_attr is not None
    futures = {
        "removed": events[:end],
        "shuffled": replace(events, src=events.src[order], dst=events.dst[order], edge_attr=events.edge_attr[order]),
        "altered": replace(
            events,
            src=torch.cat([events.src[:end], events.dst[end:]]), dst=torch.cat([events.dst[:end], events.src[end:]]),
            t=torch.cat([events.t[:end], events.t[end:] + 50]),
            edge_attr=torch.cat([events.edge_attr[:end], events.edge_attr[end:] + 1]),
        ),
    }  # fmt: skip
    for name, future in futures.items():
        assert torch.equal(model.scores(future, end, src, dst, t), wanted), name
    assert not torch.equal(model.scores(events, end - 1, src, dst, t), wanted)


def test_no_more_than_the_window_is_looked_at() -> None:
    model, events = model_for(window=20), some_events(60)
    src, dst, t = questions()
    wanted = model.scores(events, 50, src, dst, t)
    assert torch.equal(model.scores(events[30:50], 20, src, dst, t), wanted)
    past = replace(events, src=torch.cat([events.src[:30].flip(0), events.src[30:]]))
    assert torch.equal(model.scores(past, 50, src, dst, t), wanted)
    assert not torch.equal(model_for(window=21).scores(events, 50, src, dst, t), wanted)


def test_a_node_s_number_does_not_matter() -> None:
    model, events = model_for(node_dim=4, pair_meetings=True), some_events(30)
    src, dst, t = questions()
    g = torch.Generator().manual_seed(1)
    new = torch.randperm(NODES, generator=g)
    assert events.x is not None
    moved = replace(events, src=new[events.src], dst=new[events.dst], x=events.x[torch.argsort(new)])
    torch.testing.assert_close(model.scores(moved, 30, new[src], new[dst], t), model.scores(events, 30, src, dst, t))


@pytest.mark.parametrize("logarithmic", [True, False])
def test_only_differences_of_times_matter(logarithmic: bool) -> None:
    model, events = model_for(logarithmic=logarithmic, pair_meetings=True), some_events(30)
    src, dst, t = questions()
    later = replace(events, t=events.t + 2.0**30)
    assert torch.equal(model.scores(later, 30, src, dst, t + 2.0**30), model.scores(events, 30, src, dst, t))
    assert not torch.equal(model.scores(events, 30, src, dst, t + 1), model.scores(events, 30, src, dst, t))


def test_the_order_of_events_of_one_time_does_not_matter_within_a_patch() -> None:
    model, events = model_for(patches=1, edge_dim=3), some_events(30, ticks=4)
    src, dst, t = questions()
    g = torch.Generator().manual_seed(1)
    shuffled = torch.randperm(30, generator=g)
    order = shuffled[torch.argsort(events.t[shuffled], stable=True)]
    assert order.tolist() != list(range(30))
    assert events.edge_attr is not None
    mixed = replace(events, src=events.src[order], dst=events.dst[order], edge_attr=events.edge_attr[order])
    assert torch.equal(mixed.t, events.t[order])
    torch.testing.assert_close(model.scores(mixed, 30, src, dst, t), model.scores(events, 30, src, dst, t))


def test_one_patch_is_a_transformer_of_single_tokens() -> None:
    """Which is a function of each row: attention that is given the values for what it saw changes nothing."""
    model, events = model_for(patches=1), some_events(30)
    wanted = model.encode(events, 25.0).h
    for block in model.blocks:
        nn.init.normal_(block.sequence.attention.q_proj.weight)
        block.sequence.attention.forward = lambda x, _, rows, own=block.sequence.attention: own.o_proj(
            own.v_proj(x if rows is None else x[rows])
        )
    torch.testing.assert_close(model.encode(events, 25.0).h, wanted)


def test_without_blocks_there_are_features_alone() -> None:
    model, events = model_for(num_layers=0, node_dim=4), some_events(30)
    states = model.encode(events, 25.0)
    assert events.x is not None
    assert model.features is not None
    torch.testing.assert_close(states.h, model.norm(model.features(events.x[states.nodes].double())))
    blank = model_for(num_layers=0).encode(events, 25.0).h
    torch.testing.assert_close(blank, blank[:1].expand_as(blank))


def test_causal_states_of_a_prefix_of_patches() -> None:
    """Looking back alone, what happens in the last patch changes no copy of an earlier one."""
    model = model_for(causal=True, patches=3, window=30, readout="mean")  # which asks for all copies
    events, seen = some_events(30), {}
    for block in model.blocks:
        block.register_forward_hook(lambda _, args, out, at=block: seen.setdefault(at, []).append((args[1], out)))
    other = replace(events, src=torch.cat([events.src[:20], events.dst[20:].flip(0)]))
    for one in (events, other):
        model.encode(one, 25.0)
    for runs in seen.values():
        early = [out[cut.patch < 2] for cut, out in runs]
        torch.testing.assert_close(*early)
        assert len(early[0]) > 5


@pytest.mark.parametrize("count", [0, 1, 2, 4])
@pytest.mark.parametrize("name", ["plain", "features", "meetings", "causal, mean", "no global encoder"])
def test_short_windows(count: int, name: str) -> None:
    options = {"patches": 3} | OPTIONS[name]
    model, events = model_for(**options), some_events(30)
    src, dst, t = questions()
    scores = model.scores(events, count, src, dst, t)
    assert scores.shape == (4, 5)
    assert scores.isfinite().all()
    scores.sum().backward()
    states = model.encode(events[:count], 30.0)
    assert isinstance(states, NodeStates)
    assert len(states.h) == len({*events.src[:count].tolist(), *events.dst[:count].tolist()})
    classifier, told = model_for(classes=2, **options), torch.zeros(4, 3) if model.edge_dim else None
    logits = classifier.class_logits(events, count, src, t, told)
    assert logits.shape == (4, 2)
    assert logits.isfinite().all()


def test_of_an_empty_window_all_nodes_are_alike() -> None:
    model = model_for()
    src, dst, t = questions()
    scores = model.scores(some_events(30), 0, src, dst, t)
    torch.testing.assert_close(scores, scores[:1, :1].expand_as(scores))


@pytest.mark.parametrize("node_dim", [None, 4])
def test_a_batch_of_nodes_that_were_not_seen(node_dim: int | None) -> None:
    model, events = model_for(node_dim=node_dim, pair_meetings=True), some_events(30)
    src, dst = torch.tensor([NODES - 1, NODES - 2]), torch.tensor([[NODES - 2], [NODES - 2]])
    states = model.encode(events, 25.0)
    assert not {NODES - 1, NODES - 2} & set(states.nodes.tolist())
    scores = model.score(states, src, dst, torch.tensor([30.0, 90.0]).double())
    assert scores.isfinite().all()
    # How long ago nobody was seen says nothing; features tell them apart.
    assert torch.equal(scores[0], scores[1]) == (node_dim is None)


def test_candidates_do_not_know_each_other() -> None:
    model, events = model_for(pair_meetings=True), some_events(30)
    src, dst, t = questions(batch=5, candidates=20)  # more than there are nodes: another order of products
    states = model.encode(events, 25.0)
    together = model.score(states, src, dst, t)
    alone = torch.cat([model.score(states, src, dst[:, c : c + 1], t) for c in range(20)], 1)
    torch.testing.assert_close(together, alone)
    first = model.score(states, src[:1], dst[:1], t[:1])
    torch.testing.assert_close(together[:1], first)


def test_float32_is_near() -> None:
    model, events = model_for(edge_dim=3), some_events(40)
    src, dst, t = questions()
    wanted = model.scores(events, 40, src, dst, t)
    got = model.float().scores(events, 40, src, dst, t)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("classes", [None, 2])
def test_parameters_are_drawn_anew(classes: int | None) -> None:
    torch.manual_seed(0)
    model = Todyformer(**SIZES, edge_dim=3, classes=classes, pair_meetings=True)
    drawn = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        nn.init.constant_(p, 5.0)
    torch.manual_seed(0)
    model.reset_parameters()
    for name, p in model.named_parameters():
        assert not (p == 5).any(), name
        assert torch.equal(p == 0, drawn[name] == 0), name  # biases that begin at nil
        assert p.numel() == 1 or p.norm().item() == pytest.approx(drawn[name].norm().item(), rel=0.6), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patches": 0}, "patches: expected at least 1, got 0"),
        ({"window": 0}, "window: expected at least 1, got 0"),
        ({"num_layers": -1}, "num_layers: expected at least 0, got -1"),
        ({"heads": 3}, "8 is not a multiple of 3 heads"),
        ({"time_dim": 5}, "channels: expected an even number from 2 on, got 5"),
        ({"readout": "first"}, "readout: expected 'last' or 'mean', got 'first'"),
        ({"shortest": 0.0}, "expected 0 < shortest < longest"),
    ],
)
def test_impossible_models_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Todyformer(**(SIZES | options))


def test_impossible_questions_are_refused() -> None:
    model, events = model_for(), some_events(30)
    src, dst, t = questions()
    with pytest.raises(ValueError, match=r"t_end: expected a time from the last event's, 19.0, on, got 3.0"):
        model.encode(events, 3.0)
    states = model.encode(events, 25.0)
    with pytest.raises(ValueError, match=r"src, dst: expected nodes from 0 to 8, got 0 to 9"):
        model.score(states, src * 0, dst.clamp(max=0) + 9, t)
    with pytest.raises(ValueError, match=r"before the last event of its nodes"):
        model.score(states, src, dst, t - 30)
    with pytest.raises(ValueError, match=r"expected \[B\], \[B, C\] and \[B\], got \[4\], \[4\] and \[4\]"):
        model.score(states, src, dst[:, 0], t)
    with pytest.raises(ValueError, match="classes: the model was made without"):
        model.classify(states, src, t)
    classifier = model_for(classes=2, edge_dim=3)
    states = classifier.encode(events, 25.0)
    with pytest.raises(ValueError, match="classes: the model was made for these, and has no decoder of links"):
        classifier.score(states, src, dst, t)
    with pytest.raises(ValueError, match=r"edge_attr: expected \[rows, 3\], got None"):
        classifier.classify(states, src, t)
    with pytest.raises(ValueError, match=r"edge_attr: 1 rows, expected 4"):
        classifier.classify(states, src, t, torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"src, t: expected \[B\] and \[B\], got \[4, 5\] and \[4\]"):
        classifier.classify(states, dst, t, torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"before the last event of its nodes"):
        classifier.classify(states, src * 0, t - 30, torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"edge_attr: expected \[rows, 3\], got None"):
        model_for(edge_dim=3).encode(replace(events, edge_attr=None), 25.0)
    with pytest.raises(ValueError, match=r"x: expected \[rows, 5\], got \[9, 4\]"):
        model_for(node_dim=5).encode(events, 25.0)
