"""Attention among the tokens of one node: the local module of LargeGT (Dwivedi et al., 2023).

With tokens E [T, d] of a node, the node itself first, one layer and the readout are::

    Z = norm(E)
    O = concat over heads of softmax(Z Wq (Z Wk)^T / sqrt(d)) Z Wv, times Wo       # each head is d wide
    Y = E Wres + dropout(O)                                                        # [T, H d]
    F = norm(dropout(Y))
    out = F_0 + sum over j > 0 of softmax_j(F_j w) F_j

The paper's formula for the weights reads [F_0 | F_j]; what F_0 adds is the same for all j, and a softmax does not see
it. Nor does it see a bias of the keys, nor of w. None of the three is a parameter here.

Between layers, of which the paper's experiments have one, tokens are d wide: E <- E + Y Wback.

To these layers a node's features and its averages are elements of one set, and which averages are the node's own does
not show. Types, which the paper does not have, add a learnt vector to each element that says what it is.

Nor does the paper normalise what goes into the first norm. Features that are few and small then leave a signal of some
percent of what all tokens have in common, which dropout shakes more than that. A norm within the MLP gives each of its
channels variance 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphformers.layers.batch_norm import GlobalBatchNorm
from graphformers.layers.parts import Norm, norm_of, reset
from graphformers.ops.dropout import relu_dropout, residual_dropout


class FullWidthAttention(nn.Module):
    """Attention within a set whose heads are each as wide as its elements, [B, T, d] to [B, T, H d].

    Since a head is that wide, its two matrices of queries and keys make one d x d matrix M_i = Wq_i Wk_i^T, and its
    values pass through Wv_i and its rows of Wo one after the other: multiplied beforehand, keys and values of all heads
    are the elements themselves, and two of five large products are not computed at all. Results are the formula's.

    Args:
        channels: d. heads: H.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.channels, self.heads = channels, heads
        self.query = nn.Linear(channels, heads * channels)
        self.key = nn.Linear(channels, heads * channels, bias=False)
        self.value = nn.Linear(channels, heads * channels)
        self.out = nn.Linear(heads * channels, heads * channels)

    def reset_parameters(self) -> None:
        reset(self.query, self.key, self.value, self.out)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self._query_by_key()
        # All heads see the same keys: their queries are simply more queries.
        q = F.linear(x, weight, bias).unflatten(2, (self.heads, -1)).flatten(1, 2)
        seen = F.scaled_dot_product_attention(q[:, None], x[:, None], x[:, None])[:, 0]
        weight, bias = self._value_by_out()
        return F.linear(seen.unflatten(1, (-1, self.heads)).flatten(2), weight, bias)

    def _query_by_key(self) -> tuple[Tensor, Tensor]:
        key = self.key.weight.unflatten(0, (self.heads, -1))
        query = self.query.weight.unflatten(0, (self.heads, -1))
        bias = self.query.bias.unflatten(0, (self.heads, 1, -1))
        return torch.bmm(key.mT, query).flatten(0, 1), torch.bmm(bias, key).flatten()

    def _value_by_out(self) -> tuple[Tensor, Tensor]:
        out = self.out.weight.unflatten(1, (self.heads, -1)).transpose(0, 1)
        value = self.value.weight.unflatten(0, (self.heads, -1))
        # Weights of each row of attention sum to 1, and so the bias of the values arrives as it is.
        bias = F.linear(self.value.bias, self.out.weight, self.out.bias)
        return torch.bmm(out, value).transpose(0, 1).flatten(1), bias


class TokenSetLayer(nn.Module):
    """One layer: norm, attention, a linear residual; [B, T, d] to [B, T, H d]. There is no feed-forward.

    Args:
        channels: d. heads: H. dropout: Of the attention's output, and of the sum.
    """

    def __init__(self, channels: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = FullWidthAttention(channels, heads)
        self.residual = nn.Linear(channels, heads * channels)
        self.dropout = dropout

    def reset_parameters(self) -> None:
        reset(self.norm, self.attention, self.residual)

    def forward(self, x: Tensor) -> Tensor:
        return residual_dropout(self.residual(x), self.attention(self.norm(x)), self.dropout, self.training)


class LocalModule(nn.Module):
    """One vector for each node from its tokens, whose order (but for the first) does not matter.

    Args:
        in_channels: D, of a token. channels: d. heads: H. num_layers: Layers.
        mlp_dropout: In the MLP that tokens go through first. dropout: In the layers.
        num_types: Of tokens; 0 for none.
        norm: In that MLP, if any. Batch norm is over the tokens of all nodes of all processes.

    Shapes:
        tokens [B, T, D], types [T] int64 if there are types, to [B, H d].

    Raises:
        ValueError: Without types, if there are to be.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        heads: int,
        *,
        num_layers: int = 1,
        mlp_dropout: float = 0.0,
        dropout: float = 0.0,
        num_types: int = 0,
        norm: Norm = None,
    ) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(in_channels, channels), nn.Linear(channels, channels)
        self.first_norm = norm_of(norm, channels, GlobalBatchNorm)
        self.mlp_dropout = mlp_dropout
        self.embed = nn.Linear(channels, channels)
        self.types = nn.Embedding(num_types, channels) if num_types else None
        self.layers = nn.ModuleList(TokenSetLayer(channels, heads, dropout=dropout) for _ in range(num_layers))
        self.back = nn.ModuleList(nn.Linear(heads * channels, channels) for _ in range(num_layers - 1))
        self.norm = nn.LayerNorm(heads * channels)
        self.score = nn.Linear(heads * channels, 1, bias=False)
        self._initialise()

    def reset_parameters(self) -> None:
        reset(self.first, self.first_norm, self.second, self.embed, *self.layers, *self.back, self.norm, self.score)
        self._initialise()

    def _initialise(self) -> None:
        """Weights behind the MLP from N(0, (0.02 / sqrt(layers))^2), biases nil, as published."""
        for part in (self.embed, self.layers, self.back, self.score):
            for module in part.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=0.02 * len(self.layers) ** -0.5)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
        if self.types is not None:
            nn.init.normal_(self.types.weight, std=0.02)

    def forward(self, tokens: Tensor, types: Tensor | None = None) -> Tensor:
        hidden = self.first_norm(self.first(tokens).flatten(0, 1)).unflatten(0, tokens.shape[:2])
        hidden = relu_dropout(hidden, self.mlp_dropout, self.training)
        # Two linear maps with nothing between them are one.
        weight = self.embed.weight @ self.second.weight
        x = F.linear(hidden, weight, F.linear(self.second.bias, self.embed.weight, self.embed.bias))
        if self.types is not None:
            if types is None:
                raise ValueError("types: the module was made for types of tokens")
            x = x + self.types(types)
        y = self.layers[0](x)
        for back, layer in zip(self.back, self.layers[1:], strict=True):
            x = x + back(y)
            y = layer(x)
        return self._read(self.norm(y))

    def _read(self, x: Tensor) -> Tensor:
        weights = self.score(x)[:, 1:, 0].softmax(1)
        return (F.pad(weights, (1, 0), value=1.0)[:, None] @ x)[:, 0]
