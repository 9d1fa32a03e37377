"""Parts of the TransFusion head, each against a slow twin: peaks, windows, attention, decoder, assignment."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pointdet.models.assignment import cheapest_pairs
from pointdet.models.local_attention import Border, local_attention, window_cells
from pointdet.models.proposals import best_proposals, peaks
from pointdet.models.transfusion_decoder import LocalDecoder, PlanePosition, cell_places

BORDERS = st.sampled_from(["wrap", "mask"])
SEED = st.integers(0, 2**31)


@settings(max_examples=25, deadline=None)
@given(seed=SEED, rows=st.integers(0, 5), columns=st.integers(0, 5), ties=st.booleans())
def test_no_pairing_is_cheaper(seed: int, rows: int, columns: int, ties: bool) -> None:
    cost = np.random.default_rng(seed).normal(0, 3, (rows, columns))
    cost = cost.round() if ties else cost
    found = cheapest_pairs(cost)
    taken = found[found >= 0]
    assert len(set(taken)) == len(taken) == min(rows, columns)
    mine = sum(cost[row, column] for row, column in enumerate(found) if column >= 0)
    wide = cost if rows <= columns else cost.T
    best = min(
        sum(wide[row, column] for row, column in enumerate(order))
        for order in itertools.permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert mine == pytest.approx(best, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=SEED, rows=st.integers(1, 40))
def test_pairs_cost_as_much_as_scipys(seed: int, rows: int) -> None:
    from scipy.optimize import linear_sum_assignment

    cost = np.random.default_rng(seed).normal(0, 1, (rows, 30))
    found = cheapest_pairs(cost)
    row = (found >= 0).nonzero()[0]
    assert cost[row, found[row]].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum(), abs=1e-6)


def test_costs_that_are_no_numbers_end_all_the_same() -> None:
    cost = np.array([[np.nan, 1.0], [np.inf, -np.inf]])
    assert cheapest_pairs(cost).tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"expected costs \[M, P\], got \[3\]"):
        cheapest_pairs(np.zeros(3))


@settings(max_examples=20, deadline=None)
@given(seed=SEED)
def test_peaks_as_the_rule_reads(seed: int) -> None:
    logits = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    chances = logits.sigmoid()
    wanted = torch.zeros_like(chances, dtype=torch.bool)
    for b, k, i, j in itertools.product(range(2), range(3), range(5), range(6)):
        inner = 0 < i < 4 and 0 < j < 5
        largest = inner and chances[b, k, i, j] == chances[b, k, i - 1 : i + 2, j - 1 : j + 2].max()
        wanted[b, k, i, j] = largest or k == 1
    assert torch.equal(peaks(chances, [1]), wanted)
    found = best_proposals(logits, 40, [1])
    for b in range(2):
        ranked = sorted(((chances[b] * wanted[b]).flatten()).tolist(), reverse=True)[:40]
        assert found.score[b].tolist() == ranked
        flat = found.label[b] * 30 + found.cell[b]
        assert len(flat.unique()) == 40
        assert torch.equal((chances[b] * wanted[b]).flatten()[flat], found.score[b])
    assert best_proposals(logits, 200).cell.shape == (2, 90)


def windows_by_hand(cell: int, height: int, width: int, radius: int, border: str) -> list[int]:
    """Cells of a window that are there."""
    row, column = divmod(cell, width)
    there = []
    for i in range(row - radius, row + radius + 1):
        for j in range(column - radius, column + radius + 1):
            if border == "mask" and not (0 <= i < height and 0 <= j < width):
                continue
            if 0 <= i * width + j < height * width:
                there.append(i * width + j)
    return there


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 6), width=st.integers(1, 6), radius=st.integers(0, 4), border=BORDERS)
def test_windows_by_hand(height: int, width: int, radius: int, border: Border) -> None:
    cell = torch.arange(height * width).view(1, -1)
    index, outside = window_cells(cell, (height, width), radius, border)
    for c in range(height * width):
        assert index[0, c][~outside[0, c]].tolist() == windows_by_hand(c, height, width, radius, border)


@settings(max_examples=8, deadline=None)
@given(seed=SEED, border=BORDERS, chunk=st.integers(1, 9))
def test_attention_is_torchs_over_each_window(seed: int, border: Border, chunk: int) -> None:
    """Values and gradients."""
    torch.manual_seed(seed)
    attention = nn.MultiheadAttention(8, 2, batch_first=True).double()
    nn.init.normal_(attention.in_proj_bias)
    nn.init.normal_(attention.out_proj.bias)
    query = torch.randn(2, 4, 8, dtype=torch.float64, requires_grad=True)
    cells = torch.randn(2, 15, 8, dtype=torch.float64, requires_grad=True)
    cell = torch.randint(0, 15, (2, 4))
    index, outside = window_cells(cell, (3, 5), 2, border)
    found = local_attention(query, cells, index, outside, attention, chunk)
    rows = []
    for b, p in itertools.product(range(2), range(4)):
        window = cells[b, windows_by_hand(int(cell[b, p]), 3, 5, 2, border)][None]
        rows.append(attention(query[b, p][None, None], window, window)[0][0, 0])
    wanted = torch.stack(rows).view(2, 4, 8)
    torch.testing.assert_close(found, wanted)
    inputs = [query, cells, *attention.parameters()]
    weight = torch.randn_like(found)
    for a, b in zip(
        torch.autograd.grad(found, inputs, weight), torch.autograd.grad(wanted, inputs, weight), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-10)
    with torch.no_grad():
        torch.testing.assert_close(local_attention(query, cells, index, outside, attention, chunk), wanted)


@settings(max_examples=10, deadline=None)
@given(seed=SEED)
def test_counted_places_are_as_good_as_repeated_ones(seed: int) -> None:
    torch.manual_seed(seed)
    once, often = PlanePosition(6).double(), PlanePosition(6).double()
    often.load_state_dict(once.state_dict())
    places = torch.randn(1, 7, 2, dtype=torch.float64)
    counts = torch.randint(0, 4, (7,))
    counts[0] += 2
    found = once(places, counts[None].double())
    wanted = often(places.repeat_interleave(counts, 1))
    torch.testing.assert_close(found.repeat_interleave(counts, 1), wanted)
    for (name, a), b in zip(once.named_buffers(), often.buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)
    weight = torch.randn_like(wanted)
    grads = torch.autograd.grad(found.repeat_interleave(counts, 1), list(once.parameters()), weight)
    for a, b in zip(grads, torch.autograd.grad(wanted, list(often.parameters()), weight), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def decoder_twin(layer: LocalDecoder, query: Tensor, cells: Tensor, cell: Tensor, size: tuple[int, int]) -> Tensor:
    """Query by query, with torch's attention."""
    rows = []
    for b, p in itertools.product(range(query.shape[0]), range(query.shape[1])):
        own, place = query[b, p][None, None], layer.self_position(cell_places(cell[b, p][None, None], size[1]))
        own = layer.norm1(own + layer.self_attention(own + place, own + place, own + place)[0])
        index = torch.tensor(windows_by_hand(int(cell[b, p]), *size, layer.radius, layer.border))
        keys = cells[b, index][None] + layer.cross_position(cell_places(index[None], size[1]))
        own = layer.norm2(own + layer.cross_attention(own + place, keys, keys)[0])
        rows.append(layer.norm3(own + layer.linear2(torch.relu(layer.linear1(own))))[0, 0])
    return torch.stack(rows).view(query.shape)


@settings(max_examples=5, deadline=None)
@given(seed=SEED, border=BORDERS)
def test_decoder_query_by_query(seed: int, border: Border) -> None:
    torch.manual_seed(seed)
    layer = LocalDecoder(8, 2, 12, 1, border).eval()
    for name, value in layer.state_dict().items():
        if value.ndim == 1 and "running_var" not in name:
            value.normal_()
    layer = layer.double()
    query, cells = torch.randn(2, 3, 8).double(), torch.randn(2, 20, 8).double()
    cell = torch.randint(0, 20, (2, 3))
    found = layer(query, cells, cell, (4, 5))
    torch.testing.assert_close(found, decoder_twin(layer, query, cells, cell, (4, 5)), rtol=1e-5, atol=1e-5)
