"""Mixture of Tokenisation: each node takes the encodings of the two tokenisers that suit it best (arXiv 2411.15671).

    s = softmax(x W) or sigmoid(x W);    y = [s_a' z_a, s_b' z_b],    s' = s / (s_a + s_b)

with a and b the two of highest score and z_t what tokeniser t says of the node. How gradients reach W is not in the
paper; as in mixtures of experts, what is kept is multiplied by its score, scores of the two summing to 1 (inferred).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from graphformers.layers.parts import reset

Gate = Literal["softmax", "sigmoid"]
KEPT = 2


class MixtureOfTokens(nn.Module):
    """The router, and what it takes.

    Args:
        channels: C.
        num_tokenizers: T, at least 2.
        gate: Of the scores. With ``softmax`` the two that are taken weigh by the difference of what the router says of
            them; with ``sigmoid`` weights differ less the surer it is of both.

    Raises:
        ValueError: On fewer than two tokenisers, or another gate.
    """

    def __init__(self, channels: int, num_tokenizers: int, *, gate: Gate = "softmax") -> None:
        super().__init__()
        if num_tokenizers < KEPT:
            raise ValueError(f"tokenizer: expected at least {KEPT} to choose from, got {num_tokenizers}")
        if gate not in get_args(Gate):
            raise ValueError(f"gate: expected 'softmax' or 'sigmoid', got {gate!r}")
        self.gate = gate
        self.router = nn.Linear(channels, num_tokenizers, bias=False)

    def reset_parameters(self) -> None:
        reset(self.router)

    def scores(self, x: Tensor) -> Tensor:
        """[N, T] of nodes x [N, C]."""
        logits = self.router(x)
        return logits.softmax(1) if self.gate == "softmax" else logits.sigmoid()

    def forward(self, x: Tensor, encodings: Sequence[Tensor]) -> Tensor:
        """[N, 2 C]: of each node the best one's encoding, then the second's, multiplied by their scores.

        Args:
            x: [N, C], what the router reads.
            encodings: T of [N, C].

        Raises:
            ValueError: If there are not T encodings.
        """
        if len(encodings) != self.router.out_features:
            raise ValueError(f"encodings: expected {self.router.out_features}, got {len(encodings)}")
        return mixed(self.scores(x), encodings)

    def balance_loss(self, x: Tensor) -> Tensor:
        """1 if all tokenisers are taken and scored alike, more if not: T sum_t f_t p_t (Switch Transformers, 2021).

        f_t is the share of choices that fall on t, p_t its mean share of the scores, which has the gradient.
        """
        scores = self.scores(x)
        if not len(scores):
            return scores.sum() + 1
        shares = (scores / scores.sum(1, keepdim=True)).mean(0)
        chosen = torch.bincount(best_two(scores).flatten(), minlength=scores.shape[1]) / (KEPT * len(scores))
        return scores.shape[1] * (chosen.to(shares.dtype) * shares).sum()


def best_two(scores: Tensor) -> Tensor:
    """[N, 2] int64: the two of highest score, the best first; of equals the one that stands first."""
    return torch.argsort(scores, dim=1, descending=True, stable=True)[:, :KEPT]


def mixed(scores: Tensor, encodings: Sequence[Tensor]) -> Tensor:
    """As :meth:`MixtureOfTokens.forward`, of scores [N, T]."""
    kept = best_two(scores)
    weights = scores.gather(1, kept)
    weights = weights / weights.sum(1, keepdim=True)
    stacked = torch.stack(list(encodings), 1)
    taken = stacked.gather(1, kept[:, :, None].expand(-1, -1, stacked.shape[2]))
    return (weights[:, :, None] * taken).flatten(1)
