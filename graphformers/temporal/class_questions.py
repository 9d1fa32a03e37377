"""A model of classes, asked as one of links is, so that one leak test serves both."""

from __future__ import annotations

import torch
from formerdata.temporal import EventStream
from torch import Tensor, nn

from formerkit.seeds import torch_generator
from graphformers.temporal.node_class_scorer import NodeClassScorer


class ClassQuestions(nn.Module):
    """Answers about the destinations of events: each answer is a sum of all class logits of that node, with weights.

    Args:
        model: Says of which class nodes are.
        events: Their number of nodes and features is looked at. The features of the events that are asked about are
            drawn, one row a node: they belong to the question, so they must not change with the stream.
        seed: Of that draw.
    """

    features: Tensor | None

    def __init__(self, model: NodeClassScorer, events: EventStream, seed: int = 0) -> None:
        super().__init__()
        self.model, self.features = model, None
        if events.edge_attr is not None:
            draw = torch_generator(seed, "asked")
            self.features = torch.randn(events.num_nodes, events.edge_attr.shape[1], generator=draw)

    def reset_state(self) -> None:
        """That of the model, if it has one."""
        reset = getattr(self.model, "reset_state", None)
        if reset is not None:
            reset()

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """[B, C]; see :class:`~graphformers.temporal.LinkScorer`."""
        nodes, times = dst.flatten(), t[:, None].expand(dst.shape).flatten()
        told = None if self.features is None else self.features[nodes]
        logits = self.model.class_logits(events, end, nodes, times, told)
        weights = torch.arange(1, logits.shape[1] + 1, dtype=logits.dtype, device=logits.device)
        return (logits * weights).sum(1).reshape(dst.shape)
