"""Gated linear attention: the compiled scan and the chunked torch form against the recurrence as it reads."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.mixers.chunked_linear_attention import chunked_linear_attention
from formerkit.mixers.gated_linear_attention import gated_linear_attention, gated_linear_attention_reference
from tests.formerkit.mixers.twins import (
    BOUND,
    DTYPES,
    LENGTHS,
    SEEDS,
    Draw,
    assert_same,
    offsets,
    value_and_gradients,
)

DECAYS = ("channel", "head", "constant")


def random_case(seed: int, lengths: list[int], widths: tuple[int, int, int], dtype: torch.dtype, decay: str) -> dict:
    draw, total, (heads, k, v) = Draw(seed, dtype), sum(lengths), widths
    shape = {"channel": (total, heads, k), "head": (total, heads, 1), "constant": (1, heads, 1)}[decay]
    return {
        "q": draw.normal(total, heads, k),
        "k": draw.normal(total, heads, k, scale=k**-0.5),
        "v": draw.normal(total, heads, v),
        # From hardly any decay to one that leaves nothing.
        "log_decay": (-draw.uniform(-4, 2, *shape).exp()).detach().requires_grad_(),
        "initial_state": draw.normal(len(lengths), heads, k, v),
        "cu_seqlens": offsets(lengths),
    }


WIDTHS = st.tuples(st.integers(1, 3), st.sampled_from([1, 3, 16, 33]), st.sampled_from([1, 16, 20, 65]))
CASES = {
    "seed": SEEDS,
    "lengths": LENGTHS,
    "widths": WIDTHS,
    "dtype": DTYPES,
    "decay": st.sampled_from(DECAYS),
    "reverse": st.booleans(),
    "exclusive": st.booleans(),
}


@settings(max_examples=200, deadline=None)
@given(**CASES)
def test_equals_the_recurrence(seed, lengths, widths, dtype, decay, reverse, exclusive) -> None:
    case = random_case(seed, lengths, widths, dtype, decay) | {"reverse": reverse, "exclusive": exclusive}
    ours = value_and_gradients(gated_linear_attention, case)
    assert_same(ours, value_and_gradients(gated_linear_attention_reference, case), BOUND[dtype])


@settings(max_examples=30, deadline=None)
@given(**CASES)
def test_torch_form_equals_the_recurrence(seed, lengths, widths, dtype, decay, reverse, exclusive) -> None:
    case = random_case(seed, lengths, widths, dtype, decay) | {"reverse": reverse, "exclusive": exclusive}
    ours = value_and_gradients(chunked_linear_attention, case)
    assert_same(ours, value_and_gradients(gated_linear_attention_reference, case), BOUND[dtype])
