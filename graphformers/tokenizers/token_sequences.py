"""Sequences of tokens that stand for sets of nodes: what every tokeniser of a batch of graphs returns.

The framework is that of GSM++ (Behrouz et al., arXiv 2411.15671): a graph becomes one or more sequences, each token is
encoded by what it stands for, and a sequence model reads the tokens. No code of the authors is public; how results
come back to the nodes is inferred.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor

from formerkit.mixers.packing import check_cu_seqlens, lengths_of, starts_of
from graphformers.ops.adjacency import in_runs

Owner = Literal["graph", "node"]


@dataclass(frozen=True)
class Ragged:
    """n lists of integers, one after the other.

    Attributes:
        values: [M] int64. starts: [n + 1] int64, where each list begins.
    """

    values: Tensor
    starts: Tensor

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> Tensor:
        """[n] int64."""
        return self.starts.diff()

    @property
    def rows(self) -> Tensor:
        """[M] int64: the list that each value is in."""
        return torch.repeat_interleave(torch.arange(len(self), device=self.starts.device), self.sizes)

    def to(self, device: torch.device | str) -> Ragged:
        return Ragged(self.values.to(device), self.starts.to(device))

    @staticmethod
    def singles(values: Tensor) -> Ragged:
        """A list of its own for each value."""
        return Ragged(values, torch.arange(len(values) + 1, device=values.device))

    @staticmethod
    def of_rows(rows: Tensor, values: Tensor, count: int) -> Ragged:
        """``count`` lists of ``values`` [M], in the lists ``rows`` [M]; those of one list keep their order."""
        order, starts = in_runs(rows, count)
        return Ragged(values[order], starts)


@dataclass(frozen=True)
class TokenSequences:
    """Packed sequences of T tokens of a batch of graphs with N nodes.

    A token stands for one of U sets of nodes, so that a cluster that many sequences name is encoded once. A node's
    encoding is the mean of the outputs that ``rows`` and ``of_node`` name for it.

    Attributes:
        owned_by: Whether a sequence belongs to a graph or to a node.
        owner: [S] int64, to which one. Several sequences may have the same owner.
        cu_seqlens: [S + 1] int32, where each sequence begins.
        content: [T] int64, the set that each token stands for.
        kind: [T] int64, what tells tokens of a sequence apart: the distance of a hop, the level of a cluster, the step
            of a walk; 0 where there is nothing to tell.
        nodes: U sets of nodes. edges: U sets of edges, for tokens that stand for edges; or None.
        rows: [P] int64, outputs; of_node: [P] int64, of which nodes they tell.
        num_nodes: N.
    """

    owned_by: Owner
    owner: Tensor
    cu_seqlens: Tensor
    content: Tensor
    kind: Tensor
    nodes: Ragged
    edges: Ragged | None
    rows: Tensor
    of_node: Tensor
    num_nodes: int

    @property
    def num_tokens(self) -> int:
        return len(self.content)

    @property
    def num_sequences(self) -> int:
        return len(self.owner)

    def to(self, device: torch.device | str) -> TokenSequences:
        """The same on ``device``."""
        moved: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return TokenSequences(**{k: v.to(device) if hasattr(v, "to") else v for k, v in moved.items()})

    def checked(self) -> TokenSequences:
        """Itself, if a model can work with it: for sequences that do not come from the tokenisers of this package.

        Raises:
            ValueError: If a sequence is empty, a node has no output, or numbers name what is not there.
        """
        if self.owned_by not in ("graph", "node"):
            raise ValueError(f"owned_by: expected 'graph' or 'node', got {self.owned_by!r}")
        check_cu_seqlens(self.cu_seqlens, self.num_tokens)
        if len(self.cu_seqlens) != self.num_sequences + 1:
            raise ValueError(f"owner: expected {len(self.cu_seqlens) - 1} sequences, got {self.num_sequences}")
        empty = torch.nonzero(lengths_of(self.cu_seqlens) == 0)
        if len(empty):
            raise ValueError(f"cu_seqlens: the sequence of {self.owned_by} {int(self.owner[empty[0]])} is empty")
        if len(self.kind) != self.num_tokens:
            raise ValueError(f"kind: expected {self.num_tokens} numbers, one a token, got {len(self.kind)}")
        self._check_range("content", self.content, len(self.nodes))
        self._check_range("nodes", self.nodes.values, self.num_nodes)
        if bool((self.nodes.sizes == 0).any()):
            raise ValueError(f"nodes: set {int((self.nodes.sizes == 0).nonzero()[0])} is empty")
        if self.edges is not None and len(self.edges) != len(self.nodes):
            raise ValueError(f"edges: expected {len(self.nodes)} sets, as there are of nodes, got {len(self.edges)}")
        self._check_range("rows", self.rows, self.num_tokens)
        self._check_range("of_node", self.of_node, self.num_nodes)
        if len(self.rows) != len(self.of_node):
            raise ValueError(f"of_node: expected {len(self.rows)} numbers, one a row, got {len(self.of_node)}")
        silent = torch.bincount(self.of_node, minlength=self.num_nodes) == 0
        if bool(silent.any()):
            raise ValueError(f"of_node: no token tells of node {int(silent.nonzero()[0])}")
        return self

    @staticmethod
    def _check_range(name: str, values: Tensor, count: int) -> None:
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) < count:
            raise ValueError(f"{name}: expected 0 to {count - 1}, got {int(values.min())} to {int(values.max())}")


def of_graphs(content: Tensor, graph: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
    """Owners [S] and offsets [S + 1] int32 of one sequence for each graph that has tokens.

    Args:
        content: [T]. graph: [T] int64, rising, the graph of each token.
    """
    counts = torch.bincount(graph, minlength=num_graphs)
    owner = torch.nonzero(counts).flatten()
    return owner, starts_of(counts[owner]).int()


def of_nodes(tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Owners [N], offsets [N + 1] int32 and last rows [N] of one sequence for each node, of ``tokens`` [N] tokens."""
    starts = starts_of(tokens)
    return torch.arange(len(tokens)), starts.int(), starts[1:] - 1
