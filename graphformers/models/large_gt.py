"""LargeGT: Dwivedi, Liu, Luu, Bresson, Shah and Zhao, *Graph Transformers for Large Graphs* (2023, arXiv 2312.11109).

A node is seen through a set of tokens that is sampled once: itself and K - 1 nodes within two hops, each with its
features and their averages over one and two hops more. Attention among them (the local module) so reaches four hops;
attention to a codebook of centroids (the global module) reaches all nodes. No step of training touches the graph.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from graphformers.layers.batch_norm import GlobalBatchNorm
from graphformers.layers.codebook import Codebook
from graphformers.layers.codebook_attention import CodebookAttention
from graphformers.layers.parts import Norm, norm_of, reset
from graphformers.layers.token_set import LocalModule

Mode = Literal["local", "global", "full"]


class LargeGT(nn.Module):
    """Node predictions from tokens.

    Args:
        channels: d, width of a head. out_channels: Of a prediction. in_channels: D, of a node's features.
        num_layers: Layers of the local module.
        heads: H.
        mode: The local module, the global one, or both side by side.
        global_channels: g, of features in a point of the codebook. pe_channels: Of a node's place in it; 0 for none.
        num_centroids: C.
        norm: In the MLPs of the global module and the head. Batch norm is over the batch of all processes.
        mlp_dropout: In the MLPs. dropout: In the layers of the local module.
        decay, seed: Of the :class:`~graphformers.layers.Codebook`.
        token_types: Whether the local module is told which tokens are the node's own, and which are averages over how
            many hops. Not in the paper, whose module cannot know.
        hops: Averages that come with each token, which token types are for.
        token_norm: Whether ``norm`` is in the MLP of the local module, too. Not in the paper, whose local module hardly
            learns from features that are few and small, as those of a bag of words.

    Shapes:
        tokens [B, K, 1 + hops, D]: row 0 of each node is the node itself, and column 0 of each row are features, then
        come averages (:func:`~graphformers.encodings.context_features`). x [B, D] are the nodes' own features, pe
        [B, pe_channels] their places. The output is [B, out_channels].
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        in_channels: int,
        num_layers: int = 1,
        heads: int = 2,
        *,
        mode: Mode = "full",
        global_channels: int = 64,
        pe_channels: int = 0,
        num_centroids: int = 4096,
        norm: Norm = "batch",
        mlp_dropout: float = 0.5,
        dropout: float = 0.3,
        decay: float = 0.99,
        seed: int = 0,
        token_types: bool = False,
        hops: int = 2,
        token_norm: bool = False,
    ) -> None:
        super().__init__()
        if mode not in ("local", "global", "full"):
            raise ValueError(f"mode: expected 'local', 'global' or 'full', got {mode!r}")
        if num_layers < 1:
            raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
        for name, asked in (("token_types", token_types), ("token_norm", token_norm)):
            if asked and mode == "global":
                raise ValueError(f"{name}: expected False in mode 'global', which sees no tokens")
        if hops < 0:
            raise ValueError(f"hops: expected 0 or more, got {hops}")
        self.mode, self.in_channels, self.hops = mode, in_channels, hops
        self.local_module = self.encoder = self.global_module = None
        if mode != "global":
            self.local_module = LocalModule(
                in_channels, channels, heads, num_layers=num_layers, mlp_dropout=mlp_dropout, dropout=dropout,
                num_types=2 * (1 + hops) if token_types else 0, norm=norm if token_norm else None,
            )  # fmt: skip
        if mode != "local":
            codebook = Codebook(num_centroids, global_channels + pe_channels, decay=decay, seed=seed)
            self.encoder = nn.Sequential(
                *_block(in_channels, channels, norm, mlp_dropout), nn.Linear(channels, channels)
            )
            self.global_module = CodebookAttention(channels, channels, heads, codebook, pe_channels=pe_channels)
        width = heads * channels
        self.head = nn.Sequential(
            *_block(2 * width if mode == "full" else width, width, norm, mlp_dropout),
            *_block(width, channels, norm, mlp_dropout),
        )
        self.output = nn.Linear(channels, out_channels)

    def reset_parameters(self) -> None:
        """Draw all parameters anew, and forget the codebook."""
        reset(self.local_module, self.global_module, *(self.encoder or ()), *self.head, self.output)

    def forward(self, tokens: Tensor | None = None, x: Tensor | None = None, pe: Tensor | None = None) -> Tensor:
        """Predictions [B, out_channels].

        Args:
            tokens, x, pe: See the class. Without tokens in mode ``global``; x may be left out where there are tokens,
                which have it. What a mode has no use for is not looked at.

        Raises:
            ValueError: If an input is missing or of another shape.
        """
        parts = []
        if self.local_module is not None:
            tokens = self._checked(tokens)
            parts.append(self.local_module(tokens.flatten(1, 2), self._types(tokens)))
        if self.global_module is not None:
            parts.append(self.global_module(self._encoded(tokens, x), pe))
        return self.output(self.head(torch.cat(parts, 1)))

    @property
    def has_codebook(self) -> bool:
        """Whether there is a global module."""
        return self.global_module is not None

    @torch.no_grad()
    def start_codebook(self, x: Tensor, pe: Tensor | None = None) -> None:
        """Begin the codebook with a sample of nodes, x [n, D] and pe [n, pe_channels], or each process' share of it.

        Several times more than there are centroids make a good beginning. Without it the first batch of training is
        the sample, and a codebook larger than that batch fills up over the next ones.

        Raises:
            ValueError: In mode ``local``, and as :meth:`forward`.
        """
        if self.global_module is None:
            raise ValueError("mode: 'local' has no codebook")
        self.global_module.codebook.start(self.global_module.points(self._encoded(None, x), pe))

    def _types(self, tokens: Tensor) -> Tensor | None:
        """[K (1 + hops)]: the column of each token, counted on for the node's own."""
        if self.local_module is None or self.local_module.types is None:
            return None
        size, columns = tokens.shape[1:3]
        if columns != 1 + self.hops:
            raise ValueError(f"tokens: expected averages over {self.hops} hops, got {columns - 1}")
        types = torch.arange(columns, device=tokens.device).repeat(size)
        types[:columns] += columns
        return types

    def _checked(self, tokens: Tensor | None) -> Tensor:
        if tokens is None or tokens.ndim != 4 or tokens.shape[1] < 1 or tokens.shape[3] != self.in_channels:
            found = "None" if tokens is None else list(tokens.shape)
            raise ValueError(f"tokens: expected shape [B, K, 1 + hops, {self.in_channels}], got {found}")
        return tokens.to(self.output.weight.dtype)

    def _encoded(self, tokens: Tensor | None, x: Tensor | None) -> Tensor:
        if x is None and tokens is not None:
            x = self._checked(tokens)[:, 0, 0]
        if x is None or x.ndim != 2 or x.shape[1] != self.in_channels:
            raise ValueError(f"x: expected shape [B, {self.in_channels}], got {None if x is None else list(x.shape)}")
        assert self.encoder is not None
        return self.encoder(x.to(self.output.weight.dtype))


def _block(in_channels: int, channels: int, norm: Norm, dropout: float) -> list[nn.Module]:
    return [
        nn.Linear(in_channels, channels), norm_of(norm, channels, GlobalBatchNorm), nn.ReLU(), nn.Dropout(dropout)
    ]  # fmt: skip
