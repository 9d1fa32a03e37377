"""A model of nodes, a decoder of pairs, and the loss of links against false ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from formerdata.graphs import GraphBatch
from torch import Tensor, nn
from torch.nn import functional as F

from graphformers.layers.link_decoder import LinkDecoder
from graphformers.tasks.inputs import apply


@dataclass(frozen=True)
class LinkBatch:
    """What one step learns from.

    Attributes:
        graph: What the model sees.
        links: [B, 2] int64, pairs of nodes that are linked.
        false: [B, 2], pairs that are not.
    """

    graph: GraphBatch
    links: Tensor
    false: Tensor

    def to(self, device: torch.device | str) -> LinkBatch:
        """The same on ``device``."""
        return LinkBatch(self.graph.to(device), self.links.to(device), self.false.to(device))


class LinkObjective(nn.Module):
    """A model and a decoder; the loss is binary cross-entropy, links and false ones weighing the same.

    Args:
        model: Called with the fields of a batch, makes an embedding of each node.
        decoder: Makes logits of pairs of embeddings.
    """

    def __init__(self, model: nn.Module, decoder: LinkDecoder) -> None:
        super().__init__()
        self.model, self.decoder = model, decoder

    def predict(self, graph: GraphBatch) -> Tensor:
        """[N, C], the embeddings."""
        return apply(self.model, graph)

    def decode(self, embeddings: Tensor, pairs: Tensor) -> Tensor:
        """[n] logits of pairs [n, 2]."""
        return self.decoder(embeddings[pairs[:, 0]], embeddings[pairs[:, 1]])

    def forward(self, batch: LinkBatch) -> dict[str, Tensor]:
        logits = self.decode(self.predict(batch.graph), torch.cat([batch.links, batch.false]))
        labels = torch.zeros_like(logits)
        labels[: len(batch.links)] = 1
        return {"loss": F.binary_cross_entropy_with_logits(logits, labels)}
