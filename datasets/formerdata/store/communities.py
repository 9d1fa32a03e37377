"""Large graphs of communities with labels that need both what is near and what is far: generated straight to disk.

The graph is a degree-corrected stochastic block model (Karrer and Newman, 2011) with two levels: communities, and
regions of communities. Edge e draws its source, then a community for its target (its own, one of its region, any), then
the target; inside a community nodes are drawn with probabilities that fall as a power of their place, which gives
power-law degrees with exponent 1 + skew / (skew - 1). Every number is a hash of the seed, the edge or node, and what it
is for, so no list of edges is ever held, and neither chunks nor threads change anything.

**Labels.** A node has the topic of its community and the kind of its region; its class is the pair. In its features
stands

    x = topic_signal * direction(topic) + side_signal * s * direction(side)
        + kind_signal * s * direction(kind) + noise,

with orthonormal directions, noise of deviation 1, and a side s = +1 or -1 of its own. Nodes come in pairs of one
community, equally likely to be linked, with opposite sides and opposite noise.

* The *topic* is near. It is hard to see in one node, easy in the mean of a few neighbours, since many edges stay in
  the community, and since the topics of the other communities of a region cancel.
* The *kind* is far. One node shows next to nothing of it, and means over a neighbourhood, of any number of hops, show
  nothing: the two sides cancel. It appears where nodes of the same side and the same part of the graph are averaged by
  the hundred: in the centroids of a codebook whose keys see features and position together. A model that looks at K
  neighbours one by one can multiply their sides back in, but averages K faint numbers only.
* The pairs are there because means of noise over many hops tell positions, too, as random numbers that are spread along
  edges do: without them a local model learns the mean noise of each region by heart, and reads the kind from it.

So features alone (an MLP) tell a little of the topic; a local model tells the topic; one that sees positions and a
codebook, but only the node's own features, tells the kind; and only both together tell the class.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from formerdata.graphs.packed import Splits
from formerdata.store.build import build_store
from formerdata.store.graph_store import GraphStore
from formerkit.parallel import run_ranges
from formerkit.seeds import generator, torch_seed

CHUNK = 1 << 18
MOST_NODES = 3_000_000_000
"""Names are computed in 64 bits: N squared must fit."""


@dataclass(frozen=True)
class Communities:
    """A generated graph. The class of a node is ``topic * kinds + kind``.

    Attributes:
        num_nodes: N.
        num_edges: Edges that are drawn; those that come twice and loops are left out of the graph (a few per cent), the
            others stand in it in both directions.
        num_features: D, at least ``topics + kinds + 1``.
        community_size: Nodes of a community, on average.
        regions: Their number; at least as many as ``kinds``.
        topics, kinds: How many there are.
        inside, near: Share of the edges that stay in a community, and of those that go to one of the same region.
        skew: 1 for equal expected degrees, 2 for a power law of exponent 3, 3 for 2.5.
        topic_signal, side_signal, kind_signal: See the head of this file; noise has deviation 1.
        train, valid, test: Shares of nodes in each part of the split; the others are in none.
        seed: Names the graph.
    """

    num_nodes: int
    num_edges: int
    num_features: int = 64
    community_size: int = 100
    regions: int = 16
    topics: int = 4
    kinds: int = 4
    inside: float = 0.4
    near: float = 0.4
    skew: int = 2
    topic_signal: float = 0.7
    side_signal: float = 3.0
    kind_signal: float = 0.3
    train: float = 0.3
    valid: float = 0.1
    test: float = 0.2
    seed: int = 0
    name: str = "communities"

    def __post_init__(self) -> None:
        least = {"num_nodes": 1, "num_edges": 0, "community_size": 1, "regions": 1, "topics": 1, "kinds": 1, "skew": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name}: expected at least {low}, got {getattr(self, name)}")
        if self.num_nodes > MOST_NODES:
            raise ValueError(f"num_nodes: expected at most {MOST_NODES}, got {self.num_nodes}")
        if self.num_features < self.topics + self.kinds + 1:
            raise ValueError(f"num_features: expected at least topics + kinds + 1, got {self.num_features}")
        if max(self.topics, self.kinds) > 255:
            raise ValueError(f"topics, kinds: expected at most 255, got {self.topics} and {self.kinds}")
        if not self.kinds <= self.regions <= self.communities:
            raise ValueError(
                f"regions: expected from {self.kinds} (kinds) to {self.communities} (communities), got {self.regions}"
            )
        for names in (("inside", "near"), ("train", "valid", "test")):
            shares = [getattr(self, name) for name in names]
            if min(shares) < 0 or sum(shares) > 1 + 1e-9:
                raise ValueError(f"{', '.join(names)}: expected shares with a sum up to 1, got {shares}")

    @property
    def communities(self) -> int:
        """How many there are."""
        return max(1, self.num_nodes // self.community_size)

    def key(self, what: str) -> np.uint64:
        return np.uint64(torch_seed(self.seed, "communities", what))

    def step_and_shift(self) -> tuple[int, int]:
        """How names follow from ranks: near the golden section of N, so that neighbours in rank lie far apart."""
        step = max(1, round(self.num_nodes * (math.sqrt(5) - 1) / 2))
        while math.gcd(step, self.num_nodes) != 1:
            step += 1
        return step, int(generator(self.seed, "communities", "shift").integers(self.num_nodes))

    def kinds_of_regions(self) -> np.ndarray:
        """[regions] uint8, each kind as often as the others, in random order."""
        order = generator(self.seed, "communities", "kinds").permutation(self.regions)
        return (order % self.kinds).astype(np.uint8)

    def means(self) -> np.ndarray:
        """[topics, kinds, 2, D] float32, what features are without noise."""
        count = self.topics + self.kinds + 1
        draws = generator(self.seed, "communities", "directions").standard_normal((self.num_features, count))
        directions = np.linalg.qr(draws)[0].T
        topic, kind, side = directions[: self.topics], directions[self.topics : -1], directions[-1]
        sign = np.array([1.0, -1.0])[None, None, :, None]
        signed = self.side_signal * side + self.kind_signal * kind[None, :, None, :]
        return (self.topic_signal * topic[:, None, None, :] + sign * signed).astype(np.float32)


class CommunityEdges:
    """The edges that are drawn, in chunks [2, n] int64; to go through them again draws them again."""

    def __init__(self, settings: Communities, chunk: int = CHUNK) -> None:
        self.settings, self.chunk, self.name = settings, chunk, settings.name

    def __iter__(self) -> Iterator[np.ndarray]:
        from formerdata.store.community_kernels import draw_edges

        s, total = self.settings, self.settings.num_edges
        starts, regions = _starts(s.communities, s.num_nodes), _starts(s.regions, s.communities)
        groups = starts, np.repeat(np.arange(s.regions), np.diff(regions)), regions
        for first in range(0, total, self.chunk):
            edges = np.empty((2, min(self.chunk, total - first)), np.int64)
            run_ranges(
                draw_edges, edges.shape[1], s.key("edges"), first, *groups, s.inside, s.near, s.skew,
                *s.step_and_shift(), edges, min_rows=1 << 14,
            )  # fmt: skip
            yield edges


def _starts(groups: int, count: int) -> np.ndarray:
    """[groups + 1] int64, where each begins if ``count`` things are cut into runs that differ by one at most."""
    return -(-np.arange(groups + 1) * count // groups)


def node_groups(settings: Communities, first: int, last: int) -> tuple[np.ndarray, ...]:
    """Topic, kind and side of nodes ``first`` to ``last``, [n] uint8 each, and their pairs, [n] int64."""
    from formerdata.store import community_kernels as kernels

    s, (step, shift) = settings, settings.step_and_shift()
    count = last - first
    groups: tuple[np.ndarray, ...] = (*np.empty((3, count), np.uint8), np.empty(count, np.int64))
    run_ranges(
        kernels.node_groups, count, s.key("side"), first, s.num_nodes, s.communities, s.regions, s.topics,
        s.kinds_of_regions(), pow(step, -1, s.num_nodes), shift, *groups, min_rows=1 << 14,
    )  # fmt: skip
    return groups


def community_features(settings: Communities, chunk: int = CHUNK) -> Iterator[np.ndarray]:
    """Features in pieces [n, D] float32, node after node."""
    from formerdata.store.community_kernels import draw_features

    means = settings.means()
    for first in range(0, settings.num_nodes, chunk):
        groups = node_groups(settings, first, min(first + chunk, settings.num_nodes))
        x = np.empty((len(groups[0]), settings.num_features), np.float32)
        run_ranges(draw_features, len(x), settings.key("noise"), means, *groups, x, min_rows=1 << 12)
        yield x


def community_labels(settings: Communities, chunk: int = CHUNK) -> np.ndarray:
    """[N] int32, ``topic * kinds + kind``."""
    labels = np.empty(settings.num_nodes, np.int32)
    for first in range(0, settings.num_nodes, chunk):
        topic, kind, *_ = node_groups(settings, first, min(first + chunk, settings.num_nodes))
        labels[first : first + chunk] = topic.astype(np.int32) * settings.kinds + kind
    return labels


def community_splits(settings: Communities) -> Splits:
    """Each node is in a part with the probability of its share.

    Raises:
        DataError: If a part is empty.
    """
    from formerdata.store.community_kernels import draw_parts

    s, part = settings, np.empty(settings.num_nodes, np.uint8)
    run_ranges(draw_parts, s.num_nodes, s.key("split"), s.train, s.valid, s.test, part, min_rows=1 << 14)
    parts = (torch.from_numpy(np.flatnonzero(part == number)) for number in (1, 2, 3))
    return Splits(*parts).checked(s.num_nodes, s.name)


def community_store(
    path: str | os.PathLike[str],
    settings: Communities,
    *,
    dtype: str = "float16",
    memory: int = 2 << 30,
    restart: bool = False,
) -> GraphStore:
    """Generate a graph straight into a folder.

    Args:
        path: See :func:`build_store`, as ``dtype``, ``memory`` and ``restart``.
        settings: What to generate.

    Returns:
        The store: undirected, no loops, each neighbour once; features, labels and splits.

    Raises:
        DataError: As :func:`build_store`; also if a part of the split is empty.
    """
    return build_store(
        path, CommunityEdges(settings), settings.num_nodes, features=community_features(settings),
        labels=community_labels(settings), splits=community_splits(settings), undirected=True, repeats=False,
        loops=False, dtype=dtype, memory=memory, source=repr(settings), restart=restart,
    )  # fmt: skip
