"""Attention to a codebook against attention to the nodes that it stands for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.layers import Codebook, CodebookAttention


def module_for(seed: int, centroids: int, features: int, places: int, channels: int, heads: int) -> CodebookAttention:
    g = torch.Generator().manual_seed(seed)
    module = CodebookAttention(4, channels, heads, Codebook(centroids, features + places), pe_channels=places).double()
    for p in module.parameters():
        with torch.no_grad():
            p.copy_(0.7 * torch.randn(p.shape, generator=g, dtype=torch.float64))
    return module.eval()


def inputs(seed: int, count: int, places: int) -> tuple[Tensor, Tensor | None]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=g, dtype=torch.float64)
    return x, torch.randn(count, places, generator=g, dtype=torch.float64) if places else None


def attention_to(module: CodebookAttention, points: Tensor, keys: Tensor, log_counts: Tensor) -> Tensor:
    """As the formula reads, head by head."""
    q, k = module.query(points), module.key(keys)
    v = module.value(keys[:, : module.value.in_features])
    heads = []
    for qh, kh, vh in zip(*(x.chunk(module.heads, 1) for x in (q, k, v)), strict=True):
        heads.append((qh @ kh.T / qh.shape[1] ** 0.5 + log_counts).softmax(1) @ vh)
    return torch.cat(heads, 1)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**31),
    nodes=st.integers(1, 12),
    features=st.integers(1, 4),
    places=st.integers(0, 3),
    channels=st.integers(1, 5),
    heads=st.integers(1, 3),
)
def test_with_a_centroid_at_each_node_it_is_attention_to_all_nodes(
    seed: int, nodes: int, features: int, places: int, channels: int, heads: int
) -> None:
    # Some centroids too many: they have no nodes and no share.
    module = module_for(seed, nodes + 3, features, places, channels, heads)
    x, pe = inputs(seed, nodes, places)
    points = module.points(x, pe)
    module.codebook.start(points)
    assert (module.codebook.counts > 0).sum() == nodes
    some_x, some_pe = inputs(seed + 1, 5, places)
    wanted = attention_to(module, module.points(some_x, some_pe), points.detach(), torch.zeros(nodes).double())
    torch.testing.assert_close(module(some_x, some_pe), wanted, rtol=1e-7, atol=1e-7)


def test_gradients_are_the_formula_s() -> None:
    module = module_for(0, 9, 3, 2, 4, 2)
    x, pe = inputs(0, 30, 2)
    assert pe is not None
    module.codebook.update(module.points(x, pe))
    x, pe = x.requires_grad_(), pe.requires_grad_()
    found = []
    for function in (
        module,
        lambda x, pe: attention_to(
            module, module.points(x, pe), module.codebook.centroids(), module.codebook.log_counts()
        ),
    ):
        out = function(x, pe)
        found.append([out, *torch.autograd.grad(out.sin().sum(), [x, pe, *module.parameters()])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_a_centroid_twice_with_half_the_count_each_is_the_same() -> None:
    one, two = module_for(0, 7, 3, 2, 4, 2), module_for(0, 14, 3, 2, 4, 2)
    x, pe = inputs(0, 40, 2)
    one.codebook.update(one.points(x, pe))
    state = {name: buffer.clone() for name, buffer in one.codebook.named_buffers()}
    for name in ("counts", "sums"):
        state[name] = torch.cat([state[name], state[name]]) / 2
    two.codebook.load_state_dict(state)
    torch.testing.assert_close(two(x, pe), one(x, pe))
    two.codebook.counts[:3] *= 2
    two.codebook.sums[:3] *= 2
    assert (two(x, pe) - one(x, pe)).abs().max() > 1e-3


def test_evaluation_changes_no_buffer_and_training_does() -> None:
    module = module_for(0, 7, 3, 2, 4, 2)
    x, pe = inputs(0, 40, 2)
    assert not module(x, pe).any()
    assert not module.codebook.started
    module.train()
    out = module(x, pe)
    assert out.isfinite().all()
    assert out.any()
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    module.eval()(x, pe)
    assert all(torch.equal(buffer, before[name]) for name, buffer in module.named_buffers())
    module.train()(*inputs(1, 40, 2))
    assert not torch.equal(module.codebook.sums, before["codebook.sums"])


def test_the_step_sees_the_codebook_as_it_was_before_it() -> None:
    module = module_for(0, 7, 3, 2, 4, 2)
    x, pe = inputs(0, 40, 2)
    module.train()(x, pe)
    more, more_pe = inputs(1, 40, 2)
    torch.testing.assert_close(module(more, more_pe), _evaluated(module, x, pe, more, more_pe))


def _evaluated(module: CodebookAttention, *args: Tensor | None) -> Tensor:
    """What the second batch gives in evaluation after a step with the first."""
    x, pe, more, more_pe = args
    module.codebook.reset_parameters()
    module.train()(x, pe)
    return module.eval()(more, more_pe)


@pytest.mark.parametrize(
    ("pe", "places", "problem"),
    [
        (None, 2, r"pe: expected \[3, 2\], got None"),
        (torch.zeros(3, 1), 2, r"pe: expected shape \[3, 2\], got \[3, 1\]"),
        (torch.zeros(3, 1), 0, r"pe: expected None, got \[3, 1\]"),
    ],
)
def test_what_is_refused(pe: Tensor | None, places: int, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        module_for(0, 7, 3, places, 4, 2)(torch.zeros(3, 4, dtype=torch.float64), pe)


def test_too_many_places() -> None:
    with pytest.raises(ValueError, match="pe_channels: expected 0 to 4, got 5"):
        CodebookAttention(4, 4, 2, Codebook(3, 5), pe_channels=5)
