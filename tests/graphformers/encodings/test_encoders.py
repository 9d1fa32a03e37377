"""Encoders: signs, missing entries, other graphs of the batch."""

from __future__ import annotations

import pytest
import torch

from graphformers.encodings import DeepSetEncoder, LinearEncoder, SignNetEncoder, laplacian_eigenvectors
from tests.graphformers.graphs import random_graphs

K, CHANNELS = 5, 8
SIZES = [7, 3, 1, 6]


def batch_of_graphs():
    graphs = random_graphs(torch.Generator().manual_seed(4), SIZES)
    pe, values = laplacian_eigenvectors(graphs.edge_index, graphs.num_nodes, K, batch=graphs.batch)
    return graphs, pe, values


def encoders() -> list[torch.nn.Module]:
    torch.manual_seed(0)
    return [
        LinearEncoder(K, CHANNELS),
        DeepSetEncoder(K, CHANNELS),
        SignNetEncoder(K, CHANNELS, hidden=6),
        SignNetEncoder(K, CHANNELS, hidden=6, message_passing=2),
    ]


def encoded(encoder, pe, values, batch, edges):
    extra = (edges,) if isinstance(encoder, SignNetEncoder) else ()
    return encoder(pe, values, batch, *extra)


@pytest.mark.parametrize("number", range(4))
def test_missing_entries_have_no_effect_and_gradients_are_finite(number: int) -> None:
    encoder = encoders()[number].eval()
    graphs, pe, values = batch_of_graphs()
    clean = encoded(encoder, pe, values, graphs.batch, graphs.edge_index)
    assert clean.shape == (graphs.num_nodes, CHANNELS)
    for junk in (torch.nan, 1e3):
        filled = torch.where(values.isnan()[graphs.batch], junk, pe).requires_grad_()
        other = encoded(encoder, filled, values, graphs.batch, graphs.edge_index)
        assert torch.equal(clean, other)
        other.square().sum().backward()
        assert torch.isfinite(filled.grad).all()
        assert (filled.grad[values.isnan()[graphs.batch]] == 0).all()
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().sum() > 0 for p in encoder.parameters())


@pytest.mark.parametrize("number", range(4))
def test_a_graph_alone_is_encoded_as_in_the_batch(number: int) -> None:
    encoder = encoders()[number].eval()
    graphs, pe, values = batch_of_graphs()
    together = encoded(encoder, pe, values, graphs.batch, graphs.edge_index)
    start = 0
    for graph, size in enumerate(SIZES):
        edges = graphs.edge_index[:, graphs.batch[graphs.edge_index[0]] == graph] - start
        alone = encoded(encoder, pe[start : start + size], values[graph : graph + 1], None, edges)
        torch.testing.assert_close(alone, together[start : start + size], atol=1e-6, rtol=1e-5)
        start += size


@pytest.mark.parametrize("message_passing", [0, 2])
@pytest.mark.parametrize("training", [True, False])
def test_signnet_does_not_see_signs_but_sees_the_rest(message_passing: int, training: bool) -> None:
    torch.manual_seed(1)
    encoder = SignNetEncoder(K, CHANNELS, message_passing=message_passing).train(training)
    graphs, pe, values = batch_of_graphs()
    signs = torch.tensor([1.0, -1.0])[torch.randint(0, 2, (len(SIZES), K))][graphs.batch]
    first = encoder(pe, values, graphs.batch, graphs.edge_index)
    torch.testing.assert_close(first, encoder(pe * signs, values, graphs.batch, graphs.edge_index), atol=1e-6, rtol=0)
    assert (first - encoder(pe.roll(1, 0), values, graphs.batch, graphs.edge_index)).abs().max() > 1e-3
    assert (first - encoder(pe, values * 2, graphs.batch, graphs.edge_index)).abs().max() > 1e-3


@pytest.mark.parametrize("kind", [LinearEncoder, DeepSetEncoder])
def test_signs_flip_in_training_only_and_for_the_whole_batch(kind) -> None:
    torch.manual_seed(2)
    encoder = kind(K, CHANNELS)
    graphs, pe, values = batch_of_graphs()
    every = {tuple(s): encoder.eval()(pe * torch.tensor(s), values, graphs.batch)
             for s in torch.cartesian_prod(*[torch.tensor([1.0, -1.0])] * K).tolist()}  # fmt: skip
    assert torch.equal(encoder(pe, values, graphs.batch), encoder(pe, values, graphs.batch))
    encoder.train()
    seen = set()
    for step in range(12):
        torch.manual_seed(step)
        out = encoder(pe, values, graphs.batch)
        torch.manual_seed(step)
        assert torch.equal(out, encoder(pe, values, graphs.batch))
        fits = [signs for signs, wanted in every.items() if torch.allclose(out, wanted, atol=1e-6)]
        assert fits, "no one sign an eigenvector index explains the output"
        seen.add(fits[0])
    assert len(seen) > 4
    still = kind(K, CHANNELS, flip_signs=False).train()
    assert torch.equal(still(pe, values, graphs.batch), still(pe, values, graphs.batch))


def test_encoders_are_made_anew() -> None:
    for encoder in encoders():
        before = [p.clone() for p in encoder.parameters()]
        encoder.reset_parameters()
        assert all(not torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True))


def test_what_does_not_fit_is_refused() -> None:
    encoder = DeepSetEncoder(3, 4)
    with pytest.raises(ValueError, match=r"pe: expected \[N, 3\], got \(2, 4\)"):
        encoder(torch.zeros(2, 4), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"eigenvalues: expected \[G, 3\]"):
        encoder(torch.zeros(2, 3), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="eigenvalues: expected one row without batch, got 2"):
        encoder(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="batch: expected 2 entries, got 3"):
        encoder(torch.zeros(2, 3), torch.zeros(1, 3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="eigenvalues: expected 2 rows, one a graph, got 1"):
        encoder(torch.zeros(2, 3), torch.zeros(1, 3), torch.tensor([0, 1]))
    for other in (encoder, SignNetEncoder(3, 4)):
        with pytest.raises(ValueError, match="eigenvalues: this encoder reads them"):
            other(torch.zeros(2, 3), None)
    with pytest.raises(ValueError, match="edge_index: the encoder was made with message passing"):
        SignNetEncoder(3, 4, message_passing=1)(torch.zeros(2, 3), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="num_layers: expected at least 1"):
        DeepSetEncoder(3, 4, num_layers=0)


@pytest.mark.parametrize("kind", [LinearEncoder, DeepSetEncoder])
def test_the_trivial_vector_keeps_its_sign(kind: type[LinearEncoder] | type[DeepSetEncoder]) -> None:
    torch.manual_seed(0)
    graphs = random_graphs(torch.Generator().manual_seed(4), SIZES)
    pe, values = laplacian_eigenvectors(graphs.edge_index, graphs.num_nodes, K, batch=graphs.batch, skip_first=False)
    encoder, seen = kind(K, CHANNELS).train(), []
    inner = encoder.linear if isinstance(encoder, LinearEncoder) else encoder.pair
    inner.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0][..., 0] if inputs[0].ndim == 3 else inputs[0])
    )
    for _ in range(30):
        encoder(pe, values, graphs.batch)
    shown = torch.stack(seen)
    trivial = values[graphs.batch, 0] < 1e-5
    assert trivial.sum() == 16, "all but the graph of one node"
    assert (shown[:, trivial, 0] == pe[trivial, 0]).all()
    others = pe[0, 1:].abs() > 1e-3
    assert (shown[:, 0, 1:].sign().amin(0)[others] == -1).all()
    assert (shown[:, 0, 1:].sign().amax(0)[others] == 1).all()


def test_places_are_normalised_as_they_are_and_not_as_they_are_flipped() -> None:
    """A vector with a mean, such as the trivial one, would have another mean in training than in evaluation."""
    torch.manual_seed(0)
    encoder = LinearEncoder(K, CHANNELS, batch_norm=True)
    assert encoder.norm is not None
    pe = 3 + 0.1 * torch.randn(200, K)
    for _ in range(100):
        out = encoder(pe)
    torch.testing.assert_close(encoder.norm.running_mean, pe.mean(0), atol=1e-3, rtol=0)
    # In training all K signs are drawn, and the size of what comes out stays that of evaluation.
    plain = encoder.eval()(pe) - encoder.linear.bias
    flipped = out - encoder.linear.bias
    inputs = torch.linalg.lstsq(encoder.linear.weight, flipped.T).solution.T / torch.linalg.lstsq(
        encoder.linear.weight, plain.T).solution.T  # fmt: skip
    torch.testing.assert_close(inputs.median(0).values.abs(), torch.ones(K), atol=1e-2, rtol=0)
