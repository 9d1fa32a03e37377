"""Rows of tokens that were drawn once and are read from then on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from formerdata.graphs.csr import CSRGraph
from formerdata.store import gather

from graphformers.samplers.token_table import TokenTable


@dataclass(frozen=True)
class KeptTokens:
    """The rows of a :class:`TokenTable` for some nodes, in memory or mapped; rows of others are drawn when asked for.

    Attributes:
        sampler: Drew them; of its first epoch.
        nodes: [M] int64, ascending.
        table: [M, K] integers.
    """

    sampler: TokenTable
    nodes: np.ndarray
    table: np.ndarray

    def __post_init__(self) -> None:
        if self.table.shape != (len(self.nodes), self.size):
            raise ValueError(f"table: expected [{len(self.nodes)}, {self.size}], got {list(self.table.shape)}")

    @property
    def graph(self) -> CSRGraph:
        return self.sampler.graph

    @property
    def size(self) -> int:
        return self.sampler.size

    @property
    def seed(self) -> int:
        return self.sampler.seed

    def rows(self, seeds: np.ndarray, *, epoch: int = 0) -> np.ndarray:
        """[S, K], as :meth:`TokenTable.rows` gives them."""
        places = np.searchsorted(self.nodes, seeds)
        if epoch != 0 or not np.array_equal(self.nodes[np.minimum(places, len(self.nodes) - 1)], seeds):
            return self.sampler.rows(seeds, epoch=epoch)
        return gather(self.table, places)
