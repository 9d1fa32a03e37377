"""Measures of predicted sequences of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SequenceScores:
    """Means over the samples."""

    precision: float
    recall: float
    f1: float


def sequence_f1(seq_ref: Sequence[Sequence[str]], seq_pred: Sequence[Sequence[str]]) -> SequenceScores:
    """How well the set of predicted words agrees with the set of true ones, in each sample ("F1" of OGB).

    Order and repetition do not count. A ratio of nothing to nothing is 0.

    Args:
        seq_ref: The words of each sample.
        seq_pred: The predicted words of each.

    Raises:
        ValueError: If their lengths differ, there are none, or a sample is no list of words.
    """
    check_sequences(seq_ref, seq_pred)
    sets = [(set(true), set(predicted)) for true, predicted in zip(seq_ref, seq_pred, strict=True)]
    both, predicted, true = (
        np.array(sizes, np.float64) for sizes in zip(*((len(a & b), len(b), len(a)) for a, b in sets), strict=True)
    )
    precision, recall = both / np.maximum(predicted, 1), both / np.maximum(true, 1)
    f1 = 2 * both / np.maximum(predicted + true, 1)
    return SequenceScores(float(precision.mean()), float(recall.mean()), float(f1.mean()))


def check_sequences(seq_ref: Sequence[Sequence[str]], seq_pred: Sequence[Sequence[str]]) -> None:
    """Raise ValueError unless both are as many lists of words."""
    for field, samples in (("seq_ref", seq_ref), ("seq_pred", seq_pred)):
        if len(samples) == 0:
            raise ValueError(f"{field}: is empty")
        for number, words in enumerate(samples):
            # A text is a sequence of texts, its letters: the commonest mistake.
            if isinstance(words, str) or not all(isinstance(word, str) for word in words):
                raise ValueError(f"{field}: sample {number}: expected a list of words, got {words!r:.60}")
    if len(seq_ref) != len(seq_pred):
        raise ValueError(f"seq_pred: {len(seq_pred)} samples, but seq_ref has {len(seq_ref)}")
