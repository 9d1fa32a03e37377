"""Scores: OGB's own evaluator for its data sets, and the same measures for any other."""

from graphformers.metrics.accuracy import accuracy, macro_f1, weighted_accuracy
from graphformers.metrics.binary import average_precision, roc_auc
from graphformers.metrics.links import hits_at, link_ranks, mean_reciprocal_rank
from graphformers.metrics.ogb_score import ogb_score
from graphformers.metrics.regression import log_mse, mae, rmse
from graphformers.metrics.sequences import SequenceScores, sequence_f1

__all__ = [
    "SequenceScores",
    "accuracy",
    "average_precision",
    "hits_at",
    "link_ranks",
    "log_mse",
    "macro_f1",
    "mae",
    "mean_reciprocal_rank",
    "ogb_score",
    "rmse",
    "roc_auc",
    "sequence_f1",
    "weighted_accuracy",
]
