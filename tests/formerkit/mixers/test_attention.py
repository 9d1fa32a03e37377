"""Softmax and linear attention over packed sequences against all pairs, written out."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from formerkit.mixers.attention import Attention, attention, attention_of_rows, attention_reference
from formerkit.mixers.linear_attention import (
    PerformerFeatures,
    linear_attention,
    linear_attention_reference,
    orthogonal_directions,
)
from formerkit.mixers.packing import uniform_cu_seqlens
from formerkit.mixers.rotary import apply_rotary
from tests.formerkit.mixers.twins import (
    BOUND,
    DTYPES,
    SEEDS,
    Draw,
    assert_same,
    in_float64,
    offsets,
    value_and_gradients,
)

LENGTHS = st.lists(st.integers(0, 25), min_size=0, max_size=6)


def values(function, case: dict) -> list[Tensor]:
    return value_and_gradients(lambda **rest: (function(**rest), ()), case)


def qkv(draw: Draw, lengths: list[int], kv_heads: int = 2) -> dict:
    total = sum(lengths)
    return {
        "q": draw.normal(total, 4, 8),
        "k": draw.normal(total, kv_heads, 8),
        "v": draw.normal(total, kv_heads, 5),
        "cu_seqlens": offsets(lengths),
    }


@settings(max_examples=100, deadline=None)
@given(
    seed=SEEDS,
    lengths=LENGTHS,
    dtype=DTYPES,
    causal=st.booleans(),
    alibi=st.booleans(),
    bias=st.sampled_from([0, 1, 4]),
)
def test_attention_equals_all_pairs(seed, lengths, dtype, causal, alibi, bias) -> None:
    draw = Draw(seed, dtype)
    case = qkv(draw, lengths, draw.choose(1, 2, 4)) | {"causal": causal}
    if alibi:
        case["slopes"] = draw.uniform(0, 1, 4)
    if bias:
        case["bias"] = draw.normal(bias, sum(n * n for n in lengths))
    assert_same(values(attention, case), values(attention_reference, in_float64(case)), BOUND[dtype])


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS, lengths=LENGTHS, dtype=DTYPES, causal=st.booleans(), width=st.sampled_from([1, 8, 17]),
    columns=st.sampled_from([1, 8, 17]), scale=st.sampled_from([None, 0.3]),
)  # fmt: skip
def test_short_sequences_equal_all_pairs(seed, lengths, dtype, causal, width, columns, scale) -> None:
    draw, total = Draw(seed, dtype), sum(lengths)
    case = {
        "q": draw.normal(total, 3, width), "k": draw.normal(total, 3, width), "v": draw.normal(total, 3, columns),
        "cu_seqlens": offsets(lengths), "causal": causal, "scale": scale,
    }  # fmt: skip
    assert_same(values(attention, case), values(attention_reference, in_float64(case)), BOUND[dtype])


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS, lengths=LENGTHS, dtype=DTYPES, causal=st.booleans(), kv_heads=st.sampled_from([1, 4]),
    width=st.sampled_from([1, 8]), columns=st.sampled_from([8, 17]),
)  # fmt: skip
def test_rows_alone_equal_those_of_all(seed, lengths, dtype, causal, kv_heads, width, columns) -> None:
    """One kind of heads takes the compiled form, the other the formula."""
    draw, total = Draw(seed, dtype), sum(lengths)
    rows = (torch.rand(total, generator=torch.Generator().manual_seed(seed)) < 0.5).nonzero()[:, 0]
    case = {"q": draw.normal(len(rows), 4, width), "k": draw.normal(total, kv_heads, width),
            "v": draw.normal(total, kv_heads, columns), "cu_seqlens": offsets(lengths), "causal": causal}  # fmt: skip

    def of_all(q: torch.Tensor, **others: Any) -> torch.Tensor:
        return attention_reference(q.new_zeros(total, 4, width).index_copy(0, rows, q), **others)[rows]

    got = values(lambda **x: attention_of_rows(**x, rows=rows), case)
    assert_same(got, values(of_all, in_float64(case)), BOUND[dtype])


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"rotary": True}, {"alibi": True}, {"kv_heads": 1}])
def test_the_layer_s_rows_alone_equal_those_of_all(options) -> None:
    torch.manual_seed(0)
    layer, x, rows = Attention(8, 2, **options).double(), torch.randn(9, 8).double(), torch.tensor([0, 3, 4, 8])
    cu_seqlens = torch.tensor([0, 2, 6, 9], dtype=torch.int32)
    torch.testing.assert_close(layer(x, cu_seqlens, rows=rows), layer(x, cu_seqlens)[rows])
    with pytest.raises(ValueError, match="rows: expected packed input, with cu_seqlens"):
        layer(x[None], rows=rows)
    with pytest.raises(ValueError, match=r"expected rows \[3\] on cpu, got \[4\] on cpu"):
        attention_of_rows(x[:3, None], x[:, None], x[:, None], cu_seqlens, rows)


@pytest.mark.parametrize("rows", [[0, 3, 9], [-1, 3, 4], [0, 4, 3], [0, 3, 3]])
def test_rows_that_are_refused(rows) -> None:
    x = torch.randn(9, 1, 8)
    with pytest.raises(ValueError, match="expected rising rows below 9"):
        attention_of_rows(x[:3], x, x, torch.tensor([0, 2, 6, 9], dtype=torch.int32), torch.tensor(rows))


def test_both_forms_agree_and_threads_change_nothing(monkeypatch) -> None:
    lengths = torch.randint(0, 12, (300,), generator=torch.Generator().manual_seed(0)).tolist()
    case, before, found = qkv(Draw(0, torch.float32), lengths, 4), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(values(attention, case))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
    monkeypatch.setattr(sys.modules["formerkit.mixers.attention"], "MOST_SEEN", 0)
    assert_same(values(attention, case), found[0], 1e-5)


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, lengths=LENGTHS, dtype=DTYPES, causal=st.booleans())
def test_linear_attention_equals_all_pairs(seed, lengths, dtype, causal) -> None:
    # A token alone has the weight 1 whatever q and k: nothing but rounding is left of their gradients.
    assume(dtype == torch.float64 or max(lengths, default=0) != 1)
    draw = Draw(seed, dtype)
    case = qkv(draw, lengths, 4) | {"causal": causal}
    case |= {name: (case[name].detach().abs() + 0.1).requires_grad_() for name in ("q", "k")}
    assert_same(values(linear_attention, case), values(linear_attention_reference, in_float64(case)), BOUND[dtype])


@pytest.mark.parametrize("function", [attention, linear_attention])
def test_padded_form_is_a_batch_of_equal_lengths(function) -> None:
    case = qkv(Draw(0, torch.float64), [6, 6, 6], 4)
    rows = {name: case[name].abs().unflatten(0, (3, 6)) for name in ("q", "k", "v")}
    packed = {name: x.flatten(0, 1) for name, x in rows.items()}
    torch.testing.assert_close(function(**rows).flatten(0, 1), function(**packed, cu_seqlens=case["cu_seqlens"]))


def test_a_hidden_pair_has_no_weight() -> None:
    case = qkv(Draw(1, torch.float64), [3], 4)
    bias = torch.zeros(1, 9, dtype=torch.float64)
    bias[0, 1] = -torch.inf
    changed = case["v"].detach().clone()
    changed[1] += 100
    first, second = (attention(**case | {"bias": bias, "v": v}) for v in (case["v"], changed))
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[2], second[2])


def test_random_features_estimate_softmax_attention() -> None:
    draw = Draw(2, torch.float32)
    q, k, v = (draw.normal(40, 2, 8, scale=0.5).detach() for _ in range(3))
    cu_seqlens = offsets([30, 10])
    exact = attention(q, k, v, cu_seqlens=cu_seqlens)
    errors = []
    for count in (64, 4096):
        features = PerformerFeatures(8, count)
        estimate = linear_attention(features(q), features(k, cu_seqlens), v, cu_seqlens=cu_seqlens)
        errors.append(float((estimate - exact).norm() / exact.norm()))
    assert errors[1] < 0.1
    assert errors[1] < errors[0] / 2


def test_features_of_one_sequence_do_not_depend_on_another() -> None:
    draw, features = Draw(3, torch.float32), PerformerFeatures(8, 32)
    k = draw.normal(20, 2, 8).detach()
    alone = features(k[:12], offsets([12]))
    k[12:] *= 100
    together = features(k, offsets([12, 8]))[:12]
    assert torch.equal(alone, together)
    assert torch.isfinite(features(k, offsets([12, 8]))).all()


def test_directions_are_orthogonal_in_blocks() -> None:
    directions = orthogonal_directions(8, 20)
    assert directions.shape == (20, 8)
    gram = directions[:8] @ directions[:8].T
    torch.testing.assert_close(gram - gram.diag().diag(), torch.zeros(8, 8), atol=1e-4, rtol=0)


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    draw = Draw(4, torch.float64)
    q, k = (draw.normal(1, 1, 6).detach().expand(9, 1, 6) for _ in range(2))
    one = uniform_cu_seqlens(1, 9)
    scores = apply_rotary(q, one)[:, 0] @ apply_rotary(k, one)[:, 0].T
    for shift in range(-8, 9):
        diagonal = scores.diagonal(shift)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert not torch.allclose(scores[0, 0], scores[0, 1])
    with pytest.raises(ValueError, match="even"):
        apply_rotary(torch.zeros(2, 1, 3), uniform_cu_seqlens(1, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": torch.zeros(9, 3, 8)}, "divisor of 4 heads"),
        ({"bias": torch.zeros(4, 80)}, r"expected bias \[4 or 1, 81\]"),
        ({"slopes": torch.zeros(3)}, r"expected slopes \[4\]"),
        ({"cu_seqlens": torch.tensor([0, 8])}, "0 to the 9 rows"),
        ({"v": torch.zeros(9, 2, 5, dtype=torch.float64)}, "float64"),
    ],
)
def test_bad_input_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attention(**qkv(Draw(5, torch.float32), [9]) | change)


def test_heads_of_keys_must_divide_those_of_queries() -> None:
    with pytest.raises(ValueError, match="kv_heads: 3 does not divide 4 heads"):
        Attention(16, 4, 3)


def test_directions_point_no_way_more_than_another() -> None:
    width, count = 3, 60_000
    directions = orthogonal_directions(width, count).double()
    # Means have a standard deviation of 0.004, products one of 0.006 at most.
    torch.testing.assert_close(directions.mean(0), torch.zeros(width).double(), rtol=0, atol=0.02)
    torch.testing.assert_close(directions.T @ directions / count, torch.eye(width).double(), rtol=0, atol=0.03)
    x = torch.tensor([0.7, -0.5, 0.4], dtype=torch.float64)
    estimate = torch.exp(directions @ x - x.dot(x) / 2).mean()
    torch.testing.assert_close(estimate, torch.ones_like(estimate), rtol=0.02, atol=0)
