"""A score of predictions, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from graphformers.losses import UNKNOWN
from graphformers.metrics import (
    accuracy,
    average_precision,
    log_mse,
    mae,
    ogb_score,
    rmse,
    roc_auc,
    weighted_accuracy,
)

Score = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class Metric:
    """A score of predictions.

    Attributes:
        name: For tables.
        function: Of targets and predictions, as a :class:`~graphformers.tasks.GraphTask` has them: classes [n] and
            logits [n, classes], or numbers [n, T] and predictions (for labels 0 and 1: logits) [n, T]; or as a
            :class:`~graphformers.tasks.LinkTask` has them: logits of links and of false ones.
        higher_is_better: Else lower is.
        scale: What the score is multiplied by in tables: 100 for percent.
        also: Other scores of the same two tensors, which are reported beside that of the test part.
    """

    name: str
    function: Score
    higher_is_better: bool = True
    scale: float = 1.0
    also: tuple[Metric, ...] = ()

    def __call__(self, targets: Tensor, predictions: Tensor) -> float:
        return self.function(targets, predictions)

    def gain(self, score: float) -> float:
        """The score, turned so that higher is better; and back."""
        return score if self.higher_is_better else -score

    def shown(self, score: float) -> str:
        """The score for a table."""
        return f"{self.scale * score:.2f}" if self.scale != 1 else f"{score:.4f}"


def _of_classes(function: Score) -> Score:
    """A measure of classes [n, 1], of logits."""

    def measured(targets: Tensor, predictions: Tensor) -> float:
        known = targets != UNKNOWN
        return function(targets[known][:, None], predictions[known].argmax(1, keepdim=True))

    return measured


ACCURACY = Metric("accuracy", _of_classes(accuracy), scale=100)
WEIGHTED_ACCURACY = Metric("weighted accuracy", _of_classes(weighted_accuracy), scale=100)
ROC_AUC = Metric("ROC-AUC", roc_auc, scale=100)
AVERAGE_PRECISION = Metric("average precision", average_precision, scale=100)
MAE = Metric("MAE", mae, higher_is_better=False)
RMSE = Metric("RMSE", rmse, higher_is_better=False)


def log_mse_of(*tasks: str) -> Metric:
    """The mean over tasks of log10 of their mean squared errors, and beside it that of each, by its name."""

    def of_one(task: int) -> Score:
        return lambda targets, predictions: log_mse(targets[:, task, None], predictions[:, task, None])

    each = tuple(Metric(f"log10 MSE, {name}", of_one(i), higher_is_better=False) for i, name in enumerate(tasks))
    return Metric("log10 MSE", log_mse, higher_is_better=False, also=each)


def rmse_beside_share(y: Tensor) -> Metric:
    """RMSE, and beside it what share of the labels' spread is left, where they have one.

    Args:
        y: [n, T], all labels of a data set: errors are divided by the variance of each column. "MSE / variance" is the
            score of Chen et al. (2020), Can Graph Neural Networks Count Substructures?; "RMSE / deviation" is 1 for who
            always says the mean.
    """
    variance = y.double().var(0, correction=0)
    if not bool((variance > 0).all()):
        return RMSE

    def of_variance(targets: Tensor, predictions: Tensor) -> float:
        errors = (targets.double() - predictions.double()).square().mean(0)
        return float((errors / variance).mean())

    def of_deviation(targets: Tensor, predictions: Tensor) -> float:
        deviation = variance.sqrt()
        return rmse(targets.double() / deviation, predictions.double() / deviation)

    shares = (("MSE / variance", of_variance), ("RMSE / deviation", of_deviation))
    return replace(RMSE, also=tuple(Metric(name, function, higher_is_better=False) for name, function in shares))


def ogb_metric(name: str, eval_metric: str) -> Metric:
    """The score of one of OGB's data sets of nodes or graphs, computed by ``ogb``.

    Args:
        name: For example ``ogbn-arxiv``.
        eval_metric: ``acc``, ``rocauc``, ``ap`` or ``rmse``, by OGB's table.
    """

    def function(targets: Tensor, predictions: Tensor) -> float:
        return ogb_score(name, y_true=targets, y_pred=predictions)[eval_metric]

    higher = eval_metric != "rmse"
    scored = _of_classes(function) if eval_metric == "acc" else function
    return Metric(eval_metric, scored, higher_is_better=higher, scale=100 if higher else 1)
