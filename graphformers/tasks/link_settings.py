"""How links are learnt and decoded."""

from __future__ import annotations

from dataclasses import dataclass

from formerkit.io import ConfigError
from graphformers.layers.link_decoder import Decoder


@dataclass(frozen=True)
class LinkSettings:
    """How links are learnt and decoded.

    Attributes:
        decoder: ``dot`` or ``mlp``, see :class:`~graphformers.layers.link_decoder.LinkDecoder`.
        channels: Of a node's embedding, the model's output.
        decoder_layers: Of ``mlp``.
        drop_targets: Leave the links that a step learns from out of the graph of that step, both ways. A link that is
            to be found at test time is not in the graph; with it there in training the model learns to read it off its
            neighbours, which is of no use later. The batch should then be a small part of the links, for the graph
            loses as many. (Encodings are computed once, of the whole graph, and still know of them.)
        use_valid_edges: Add the validation links to the graph when the test part is scored, which OGB's rules allow
            for ogbl-collab alone. They are not learnt from.
    """

    decoder: Decoder = "mlp"
    channels: int = 64
    decoder_layers: int = 2
    drop_targets: bool = True
    use_valid_edges: bool = False

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for numbers that no decoder can have."""
        for name in ("channels", "decoder_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.links.{name}: expected at least 1, got {getattr(self, name)}")
