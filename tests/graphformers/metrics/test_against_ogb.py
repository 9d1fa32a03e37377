"""Our measures and OGB's evaluator give the same numbers, ties and unknown labels included."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphformers.metrics import (
    accuracy,
    average_precision,
    hits_at,
    link_ranks,
    mae,
    mean_reciprocal_rank,
    ogb_score,
    rmse,
    roc_auc,
    sequence_f1,
)

# Not importorskip: an import by itself would ask the network for a newer version.
pytestmark = pytest.mark.skipif(find_spec("ogb") is None, reason="ogb is not installed")

# A few distinct scores make ties common.
SCORES = st.sampled_from([-2.5, -1.0, 0.0, 1e-3, 0.5, 1.0, 7.0])


def some(values: st.SearchStrategy, rows: int, columns: int) -> st.SearchStrategy[torch.Tensor]:
    cells = st.lists(values, min_size=rows * columns, max_size=rows * columns)
    return cells.map(lambda numbers: torch.tensor(numbers).reshape(rows, columns))


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(4, 20), st.sampled_from([("rocauc", 12), ("ap", 17)]))
def test_areas(data: st.DataObject, rows: int, kind: tuple[str, int]) -> None:
    metric, tasks = kind
    labels = data.draw(some(st.sampled_from([0.0, 1.0, float("nan")]), rows, tasks))
    scores = data.draw(some(SCORES, rows, tasks))
    assume(bool(((labels == 0).any(0) & (labels == 1).any(0)).any()))
    name, own = {"rocauc": ("ogbg-moltox21", roc_auc), "ap": ("ogbg-molmuv", average_precision)}[metric]
    assert own(labels, scores) == pytest.approx(ogb_score(name, y_true=labels, y_pred=scores)[metric], abs=1e-12)
    assert own(labels.numpy(), scores.numpy()) == own(labels, scores)


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(1, 20))
def test_accuracy_and_error(data: st.DataObject, rows: int) -> None:
    labels = data.draw(some(st.sampled_from([0.0, 1.0, 2.0, float("nan")]), rows, 1))
    assume(not bool(labels.isnan().all()))
    classes = data.draw(some(st.integers(0, 2), rows, 1))
    assert accuracy(labels, classes) == pytest.approx(ogb_score("ogbn-arxiv", y_true=labels, y_pred=classes)["acc"])
    assert accuracy(labels, classes) == pytest.approx(ogb_score("ogbg-ppa", y_true=labels, y_pred=classes)["acc"])
    numbers = data.draw(some(SCORES, rows, 1))
    expected = ogb_score("ogbg-molesol", y_true=labels, y_pred=numbers)["rmse"]
    assert rmse(labels, numbers) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    known = ~labels.isnan()
    assert mae(labels, numbers) == pytest.approx(float(np.abs((labels - numbers)[known].numpy()).mean()), rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(1, 6), st.integers(1, 30))
def test_ranks(data: st.DataObject, links: int, false: int) -> None:
    positive = data.draw(some(SCORES, links, 1)).flatten()
    negative = data.draw(some(SCORES, links, false))
    expected = ogb_score("ogbl-citation2", y_pred_pos=positive, y_pred_neg=negative)
    assert mean_reciprocal_rank(positive, negative) == pytest.approx(expected["mrr"], rel=1e-6)
    for k in (1, 3, 10):
        assert float((link_ranks(positive, negative) <= k).double().mean()) == pytest.approx(expected[f"hits@{k}"])
    shared = data.draw(some(SCORES, 25, 1)).flatten()
    for some_negative in (shared, shared[:10]):  # more and fewer than 20
        score = ogb_score("ogbl-ddi", y_pred_pos=positive, y_pred_neg=some_negative)["hits@20"]
        assert hits_at(20, positive, some_negative) == pytest.approx(score)
    labels = torch.cat([torch.ones(links), torch.zeros(25)])[:, None]
    score = ogb_score("ogbl-vessel", y_pred_pos=positive, y_pred_neg=shared)["rocauc"]
    assert roc_auc(labels, torch.cat([positive, shared])[:, None]) == pytest.approx(score)


WORDS = st.lists(st.lists(st.sampled_from(["get", "set", "x", "all"]), max_size=4), min_size=1, max_size=6)


@settings(deadline=None, max_examples=30)
@given(WORDS, st.data())
def test_sequences(true: list[list[str]], data: st.DataObject) -> None:
    words = st.lists(st.sampled_from(["get", "set", "x", "all"]), max_size=4)
    predicted = data.draw(st.lists(words, min_size=len(true), max_size=len(true)))
    expected, own = ogb_score("ogbg-code2", seq_ref=true, seq_pred=predicted), sequence_f1(true, predicted)
    assert (own.f1, own.precision, own.recall) == pytest.approx(
        (expected["F1"], expected["precision"], expected["recall"])
    )
