"""Measures against scikit-learn's and against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from graphformers.temporal import candidate_ranks, link_quality, rank_quality

SCORES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30)


@settings(deadline=None, max_examples=30)
@given(SCORES, st.integers(1, 12))
def test_areas_are_those_of_scikit_learn(pairs: list[tuple[int, int]], batch_size: int) -> None:
    positive, negative = (np.array(column) / 5 for column in zip(*pairs, strict=True))
    found = link_quality(torch.from_numpy(positive), torch.from_numpy(negative), batch_size=batch_size)

    def mean(measure, size: int) -> float:  # type: ignore[no-untyped-def]
        values = []
        for start in range(0, len(pairs), size):
            part = slice(start, start + size)
            scores = np.concatenate([positive[part], negative[part]])
            values.append(measure(np.repeat([1, 0], len(positive[part])), scores))
        return float(np.mean(values))

    assert found.ap == pytest.approx(mean(average_precision_score, batch_size))
    assert found.auc == pytest.approx(mean(roc_auc_score, batch_size))
    assert found.pooled_ap == pytest.approx(mean(average_precision_score, len(pairs)))
    assert found.pooled_auc == pytest.approx(mean(roc_auc_score, len(pairs)))
    assert found.num_events == len(pairs)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(-1, 3), min_size=4, max_size=4), min_size=1, max_size=9), st.integers(1, 4))
def test_ranks_by_counting(rows: list[list[int]], k: int) -> None:
    """-1 stands for a candidate that is missing; the first of a row is the event."""
    table = torch.tensor(rows).float()
    table[:, 0] = table[:, 0].abs()
    found = rank_quality(candidate_ranks(table[:, 0], table[:, 1:], table[:, 1:] < 0), hits=(k,))
    ranks = []
    for own, *others in table.tolist():
        optimistic = sum(other > own for other in others if other >= 0)
        pessimistic = sum(other >= own for other in others if other >= 0)
        ranks.append((optimistic + pessimistic) / 2 + 1)
    assert found.ranks.tolist() == ranks
    assert found.mrr == pytest.approx(sum(1 / rank for rank in ranks) / len(ranks))
    assert found.hits == {k: pytest.approx(sum(rank <= k for rank in ranks) / len(ranks))}


def test_missing_candidates_count_less_than_any_score() -> None:
    low = torch.tensor([-1e30])
    assert candidate_ranks(low, torch.tensor([[0.0, 1.0]]), torch.tensor([[True, False]])).tolist() == [2.0]


def test_several_false_events_each() -> None:
    positive, negative = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert (
        link_quality(positive, negative, batch_size=1).auc == 0.5
    )  # the first is above both of its own, the second below


@pytest.mark.parametrize("sizes", [(0, 0), (2, 3), (2, 0)])
def test_refuses_what_cannot_be_compared(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="negative: "):
        link_quality(torch.ones(sizes[0]), torch.ones(sizes[1]), batch_size=2)


def test_refuses_scores_that_are_no_numbers() -> None:
    with pytest.raises(ValueError, match="not finite"):
        link_quality(torch.tensor([torch.nan]), torch.zeros(1), batch_size=1)
    with pytest.raises(ValueError, match="not finite"):
        candidate_ranks(torch.zeros(1), torch.tensor([[torch.inf]]), torch.tensor([[False]]))
