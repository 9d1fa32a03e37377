"""How the tokens of a node are drawn, for configurations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from formerdata.graphs.csr import CSRGraph

from formerkit.io import ConfigError
from graphformers.samplers import TokenTable


@dataclass(frozen=True)
class TokenSettings:
    """What a model that sees tokens is shown of each node.

    Attributes:
        size: K, tokens of a node, itself counted.
        hops: Averages over so many hops that come with each token; see
            :func:`graphformers.encodings.context_features`.
        norm: Of these averages.
        two_hop, replace, isolated: See :class:`graphformers.samplers.TokenTable`.
        resample: Draw anew each epoch, for training; the paper draws once. Scores are always those of the first draw.
        keep: Draw the tokens of all parts before training, and read them from then on. Of use where a batch takes less
            time than its draw; a stored graph keeps them in its folder, 4 K bytes a node.
        memory: Bytes for what is computed once of a stored graph; what does not fit goes through the disk. Of the
            training itself, pages of mapped arrays are held up to 1 GB more.
    """

    size: int = 50
    hops: int = 2
    norm: Literal["symmetric", "random_walk"] = "symmetric"
    two_hop: Literal["nodes", "walks"] = "nodes"
    replace: bool = False
    isolated: Literal["random", "self"] = "random"
    resample: bool = False
    keep: bool = False
    memory: int = 4 << 30

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for numbers that cannot be."""
        for name, least in (("size", 1), ("hops", 0), ("memory", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"tokens.{name}: expected at least {least}, got {getattr(self, name)}")

    def sampler(self, graph: CSRGraph) -> TokenTable:
        """What draws them."""
        return TokenTable(graph, self.size, self.two_hop, self.replace, self.isolated)
