"""TTT-Linear: compiled and batched forms against the token-by-token one, whose inner gradient is autograd's."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.mixers.ttt import TTTState, ttt_linear, ttt_linear_batched, ttt_linear_reference
from tests.formerkit.mixers.twins import BOUND, DTYPES, SEEDS, Draw, assert_same, offsets, value_and_gradients


def random_case(seed: int, lengths: list[int], heads: int, width: int, n: int, dtype: torch.dtype) -> dict:
    draw, total, sequences = Draw(seed, dtype), sum(lengths), len(lengths)
    place = torch.randint(0, n, (sequences,), generator=draw.generator)
    state = TTTState(
        draw.normal(sequences, heads, width, width, scale=0.2),
        draw.normal(sequences, heads, width, scale=0.2),
        draw.normal(sequences, heads, width, width, scale=0.1),
        draw.normal(sequences, heads, width, scale=0.1),
        place,
    )
    return {
        "q": draw.normal(total, heads, width, scale=width**-0.5),
        "k": draw.normal(total, heads, width, scale=width**-0.5),
        "v": draw.normal(total, heads, width),
        "rate": draw.uniform(0.0, 0.1, total, heads),
        "scale": draw.uniform(0.1, 1.0, n),
        "gamma": draw.uniform(0.5, 1.5, heads, width),
        "beta": draw.normal(heads, width, scale=0.1),
        "initial_state": state,
        "cu_seqlens": offsets(lengths),
        # Layer norms of nearly constant rows have unbounded slopes: rounding alone then fills the error budget.
        "eps": 1e-2,
    }


CASES = {
    "seed": SEEDS,
    "lengths": st.lists(st.integers(0, 40), min_size=1, max_size=3),
    "heads": st.integers(1, 3),
    "width": st.sampled_from([7, 16, 20]),
    "n": st.sampled_from([1, 3, 16]),
    "dtype": DTYPES,
}


@settings(max_examples=200, deadline=None)
@given(**CASES)
def test_equals_the_recurrence(seed, lengths, heads, width, n, dtype) -> None:
    case = random_case(seed, lengths, heads, width, n, dtype)
    ours = value_and_gradients(ttt_linear, case)
    assert_same(ours, value_and_gradients(ttt_linear_reference, case), BOUND[dtype])


@settings(max_examples=30, deadline=None)
@given(**CASES)
def test_batched_form_equals_the_recurrence(seed, lengths, heads, width, n, dtype) -> None:
    case = random_case(seed, lengths, heads, width, n, dtype)

    def batched(*, initial_state, cu_seqlens, **rest):
        return ttt_linear_batched(initial=initial_state, cu_seqlens=cu_seqlens, **rest)

    assert_same(value_and_gradients(batched, case), value_and_gradients(ttt_linear_reference, case), BOUND[dtype])
