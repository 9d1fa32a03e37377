"""The attention that constructions are compared with, against two others."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from torch.nn import functional as F

from formerkit.mixers.linear_attention import elu_features, linear_attention
from graphformers.theory import SelfAttention, kernel_attention, softmax_attention
from tests.graphformers.theory.inputs import batch_of, generator, graph_sizes, normal, random_attention, seeds


@settings(max_examples=20, deadline=None)
@given(seed=seeds, sizes=graph_sizes)
def test_softmax_attention_is_torchs_graph_by_graph(seed, sizes) -> None:
    g = generator(seed)
    attention, x = random_attention(g, 5), normal(g, sum(sizes), 5)
    wanted = [x.new_zeros(0, 8)]
    for own in x.split(sizes):
        if len(own):
            q, k, v = (own @ weight for weight in (attention.query, attention.key, attention.value))
            wanted.append(F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1))
    got = softmax_attention(attention, x, batch_of(sizes), len(sizes))
    torch.testing.assert_close(got, torch.cat(wanted), rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, sizes=graph_sizes)
def test_kernel_attention_is_formerkits(seed, sizes) -> None:
    g = generator(seed)
    attention, x = random_attention(g, 5), normal(g, sum(sizes), 5)
    cu_seqlens = torch.tensor([0, *sizes]).cumsum(0)
    q, k = elu_features(attention.queries(x)), elu_features(attention.keys(x))
    wanted = linear_attention(q, k, attention.values(x), cu_seqlens=cu_seqlens).flatten(1)
    got = kernel_attention(attention, elu_features, x, batch_of(sizes), len(sizes))
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


def test_shapes_that_do_not_agree_are_refused() -> None:
    w = torch.zeros(2, 3, 4)
    with pytest.raises(ValueError, match=r"query, key: expected \[H, C, D\] for both"):
        SelfAttention(w, torch.zeros(2, 3, 5), w)
    with pytest.raises(ValueError, match=r"value: expected \[2, 3, V\], got \[1, 3, 4\]"):
        SelfAttention(w, w, w[:1])
