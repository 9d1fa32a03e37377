"""Measures against their definitions, and what they refuse."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import MissingExtraError
from graphformers.metrics import (
    accuracy,
    average_precision,
    hits_at,
    link_ranks,
    log_mse,
    macro_f1,
    mae,
    mean_reciprocal_rank,
    ogb_score,
    rmse,
    roc_auc,
    sequence_f1,
    weighted_accuracy,
)

CLASSES = st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=20)


@settings(deadline=None, max_examples=40)
@given(CLASSES)
def test_classes_count_alike(pairs: list[tuple[int, int]]) -> None:
    true, predicted = (torch.tensor(column)[:, None] for column in zip(*pairs, strict=True))
    recalls, scores = [], []
    for kind in range(-1, 4):
        right = sum(a == b == kind for a, b in pairs)
        size, guesses = sum(a == kind for a, _ in pairs), sum(b == kind for _, b in pairs)
        recalls += [right / size] if size else []
        scores += [2 * right / (size + guesses)] if size + guesses else []
    assert weighted_accuracy(true, predicted) == pytest.approx(sum(recalls) / len(recalls))
    assert macro_f1(true, predicted) == pytest.approx(sum(scores) / len(scores))
    assert accuracy(true, predicted) == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_area_is_the_probability_of_a_right_order(positive: list[int], negative: list[int]) -> None:
    labels = torch.tensor([1] * len(positive) + [0] * len(negative))[:, None]
    scores = torch.tensor(positive + negative)[:, None]
    wins = sum((a > b) + 0.5 * (a == b) for a, b in product(positive, negative))
    assert roc_auc(labels, scores) == pytest.approx(wins / (len(positive) * len(negative)))
    precision = [
        sum(b >= a for b in positive) / sum(b >= a for b in positive + negative) for a in positive
    ]  # at the threshold of each positive
    assert average_precision(labels, scores) == pytest.approx(sum(precision) / len(precision))


def test_scores_that_can_be_worked_out_by_hand() -> None:
    assert roc_auc(torch.tensor([[0], [0], [1], [1]]), torch.tensor([[0.1], [0.4], [0.35], [0.8]])) == 0.75
    assert hits_at(2, torch.tensor([3.0, 2.0, 1.0]), torch.tensor([2.5, 2.0, 0.0])) == pytest.approx(1 / 3)
    assert hits_at(3, torch.tensor([3.0, -1.0]), torch.tensor([2.5, 2.0, 0.0])) == 0.5
    assert hits_at(4, torch.tensor([3.0, -1.0]), torch.tensor([2.5, 2.0, 0.0])) == 1
    assert link_ranks(torch.tensor([1.0, 1.0]), torch.tensor([[1.0, 1.0], [2.0, 0.0]])).tolist() == [2.0, 2.0]
    assert mean_reciprocal_rank(torch.tensor([1.0]), torch.tensor([[2.0, 0.0, 3.0]])) == pytest.approx(1 / 3)
    assert weighted_accuracy(torch.tensor([[0], [0], [0], [1]]), torch.zeros(4, 1).long()) == 0.5
    assert rmse(torch.tensor([[1.0], [torch.nan], [3.0]]), torch.tensor([[1.0], [9.0], [1.0]])) == pytest.approx(2**0.5)
    assert sequence_f1([["a", "b"]], [["b", "c", "b"]]).f1 == 0.5


def test_rows_and_columns_with_unknown_labels_do_not_count() -> None:
    nan = torch.nan
    labels = torch.tensor([[0.0, nan, 1.0], [1.0, nan, 1.0], [nan, nan, 1.0]])
    scores = torch.tensor([[0.0, 0.0, 0.0], [1.0, 5.0, 2.0], [-9.0, 3.0, 1.0]])
    assert roc_auc(labels, scores) == 1.0


def test_tasks_are_averaged_each_over_what_is_known_of_it() -> None:
    nan = torch.nan
    labels = torch.tensor([[0.0, 0.0], [1.0, nan], [2.0, nan]])
    assert accuracy(labels, torch.tensor([[0, 1], [1, 1], [0, 1]])) == pytest.approx((2 / 3 + 0) / 2)
    predicted = torch.tensor([[3.0, 6.0], [1.0, 9.0], [2.0, 9.0]])
    assert rmse(labels, predicted) == pytest.approx((3**0.5 + 6) / 2)
    assert log_mse(labels, predicted) == pytest.approx((math.log10(3) + math.log10(36)) / 2)
    assert math.isfinite(log_mse(labels[:, :1] * 0, labels[:, :1] * 0))
    assert mae(labels, predicted) == pytest.approx((1 + 6) / 2)


one, nan = torch.ones(2, 1), torch.full((2, 1), torch.nan)
integers, both = torch.tensor([[0], [1]]), torch.tensor([[0.0], [1.0]])


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda: accuracy(integers, nan), r"y_pred: 2 values are not finite, the first at \[0, 0\]"),
        (lambda: accuracy(integers, one), "y_pred: expected classes as integers, got torch.float32"),
        (lambda: accuracy(nan, integers), "y_true: all labels are NaN"),
        (lambda: accuracy(both + 0.5, integers), "y_true: expected whole numbers"),
        (lambda: accuracy(integers[:, 0], integers[:, 0]), r"y_pred: expected 2 dimensions, got shape \[2\]"),
        (lambda: accuracy(integers[:1], integers), "y_true: shape"),
        (lambda: accuracy(integers[:0], integers[:0]), r"y_pred: is empty, shape \[0, 1\]"),
        (lambda: accuracy("words", integers), "y_true: expected a tensor"),
        (lambda: weighted_accuracy(integers.repeat(1, 2), integers.repeat(1, 2)), "2 columns, expected 1 tasks"),
        (lambda: roc_auc(2 * both, both), r"y_true: 2.0 at \[1, 0\], expected 0, 1 or NaN"),
        (lambda: roc_auc(one, both), "y_true: no task has labels of both classes"),
        (lambda: average_precision(both, both / 0), "y_pred: .* not finite"),
        (lambda: rmse(torch.cat([both, nan], 1), torch.zeros(2, 2)), "y_true: task 1 has no labels"),
        (lambda: rmse(both / 0 * 2, one), "y_true: infinite"),
        (lambda: hits_at(0, one[:, 0], one[:, 0]), "k: expected at least 1"),
        (lambda: hits_at(1, one[:, 0], nan[:, 0]), "y_pred_neg: 2 values are not finite"),
        (lambda: link_ranks(one[:, 0], torch.ones(3, 1)), "y_pred_neg: 3 rows, but y_pred_pos has 2"),
        (lambda: sequence_f1([], []), "seq_ref: is empty"),
        (lambda: sequence_f1(["get"], [["get"]]), "seq_ref: sample 0: expected a list of words, got 'get'"),
        (lambda: sequence_f1([["a"]], [["a"], ["b"]]), "seq_pred: 2 samples"),
        (lambda: ogb_score("ogbn-nothing", y_true=one, y_pred=one), "OGB has no data set 'ogbn-nothing'"),
        (lambda: ogb_score("ogbn-arxiv", y_true=one), "ogbn-arxiv: expected y_true and y_pred, got y_true"),
        (lambda: ogb_score("ogbl-ddi", y_true=one, y_pred=one), "expected y_pred_pos and y_pred_neg"),
        (lambda: ogb_score("ogbn-arxiv", y_true=integers, y_pred=nan), "y_pred: 2 values are not finite"),
        (lambda: ogb_score("ogbn-arxiv", y_true=integers[:0], y_pred=integers[:0]), "y_pred: is empty"),
        (lambda: ogb_score("ogbn-proteins", y_true=both, y_pred=both), "y_true: 1 columns, expected 112 tasks"),
        (lambda: ogb_score("ogbg-molesol", y_true=nan, y_pred=both), "y_true: all labels are NaN"),
        (lambda: ogb_score("ogbl-biokg", y_pred_pos=one[:, 0], y_pred_neg=one[:1]), "y_pred_neg: 1 rows"),
        (lambda: ogb_score("ogbg-code2", seq_ref=[["a"]], seq_pred=["a"]), "seq_pred: sample 0"),
    ],
)
def test_bad_input_is_named(score: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score()


def run(code: str, *folders: Path) -> str:
    path = os.pathsep.join([*map(str, folders), *sys.path])
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    return found.stdout


@pytest.mark.skipif(find_spec("ogb") is None, reason="ogb is not installed")
def test_no_question_is_put_to_the_network(tmp_path: Path) -> None:
    # The package through which ogb asks; this one tells whether it was imported.
    (tmp_path / "outdated.py").write_text("print('asked')\ncheck_outdated = lambda *_: (False, '1')\n")
    code = """
import torch
from graphformers.metrics import ogb_score
print(ogb_score("ogbn-arxiv", y_true=torch.tensor([[1]]), y_pred=torch.tensor([[1]])))
import outdated
"""
    assert run(code, tmp_path).splitlines() == ["{'acc': 1.0}", "asked"]


def test_without_ogb_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "ogb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ogb", None)
    with pytest.raises(MissingExtraError, match=r"formerkit\[ogb\]"):
        ogb_score("ogbn-arxiv", y_true=torch.tensor([[1]]), y_pred=torch.tensor([[1]]))
