"""Affinity clustering: how it grows, and scikit-learn's single linkage with connectivity.

    python -m benchmarks.affinity_clustering [--edges M] [--peer_nodes N ...]

Growth: graphs of 10^5, 10^6 and 10^7 edges, N a tenth of that, random ones and ones of communities within communities.
Random ones are the worst case: few edges become parallel in the first rounds. Edges touched are those that any round
reads; seconds grow faster where a level no longer fits into the processor's caches.

Peer: points in eight dimensions, each linked to some at random and all in a ring (scikit-learn completes what is not
connected, by all distances); weights are the distances, which scikit-learn finds itself. Both make the whole tree; the
sum of the heights of merges, which is the weight of the least spanning tree, is compared.
"""

from __future__ import annotations

import argparse
import math
import resource
import time

import torch
from torch import Tensor

from benchmarks.timing import machine, medians, print_table
from formerkit.io import MissingExtraError
from graphformers.tokenizers import Hierarchy, affinity_clustering
from graphformers.tokenizers.affinity import Linkage

LINKED: tuple[Linkage, ...] = ("average", "max")


def random_edges(nodes: int, edges: int) -> Tensor:
    return torch.randint(0, nodes, (2, edges), generator=torch.Generator().manual_seed(0))


def community_edges(nodes: int, edges: int) -> Tensor:
    """The other end is as far away in the numbers as a log-uniform draw says: near ones share small communities."""
    g = torch.Generator().manual_seed(0)
    source = torch.randint(0, nodes, (edges,), generator=g)
    step = torch.exp(torch.rand(edges, generator=g, dtype=torch.float64) * math.log(nodes / 2)).long()
    # Numbers are mixed, so that neighbours lie anywhere in memory.
    ends = torch.stack([source, (source + step) % nodes])
    return torch.randperm(nodes, generator=g)[ends]


def touched(tree: Hierarchy) -> int:
    """Ends of edges that rounds read, both ends of each."""
    return sum(len(graph.neighbours) for graph in tree.graphs[:-1])


def growth(most: int) -> None:
    for name, make in (("random", random_edges), ("communities", community_edges)):
        for linkage in LINKED:
            print(f"\n{name}, linkage {linkage!r}")
            first = 0.0
            for edges in (10**5, 10**6, 10**7):
                if edges > most:
                    continue
                nodes = edges // 10
                ends, weight = make(nodes, edges), torch.rand(edges, generator=torch.Generator().manual_seed(1))
                seconds, tree = _seconds(ends, weight, nodes, linkage, keep_graphs=True)
                alone, _ = _seconds(ends, weight, nodes, linkage, keep_graphs=False)
                per = alone / (edges * math.log2(nodes))
                first = first or per
                print(
                    f"  {edges:>10,} edges {alone:8.3f} s  {1e9 * per:6.2f} ns / (m log2 n), {per / first:4.2f} x the"
                    f" first; {seconds:.3f} s with the graphs of levels; touched"
                    f" {touched(tree) / (2 * edges * math.log2(nodes)):.3f} m log2 n; levels {tree.level_sizes}"
                )
    print(f"\n  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def _seconds(
    edges: Tensor, weight: Tensor, nodes: int, linkage: Linkage, *, keep_graphs: bool
) -> tuple[float, Hierarchy]:
    """The best of three runs: of one, the time of others on the machine would be a part."""
    best, tree = math.inf, None
    for _ in range(3):
        begin = time.perf_counter()
        tree = affinity_clustering(edges, weight, nodes, linkage=linkage, keep_graphs=keep_graphs)
        best = min(best, time.perf_counter() - begin)
    assert tree is not None
    return best, tree


def heights(tree: Hierarchy) -> float:
    """The sum of the weights of all marked edges, each once."""
    joins = torch.cat([joins[~joins.isnan()] for joins in tree.joins])
    return float(joins.unique().sum())


def peer(nodes: int, runs: int) -> None:
    try:
        import sklearn
        from scipy.sparse import coo_matrix
        from sklearn.cluster import AgglomerativeClustering
    except (ImportError, OSError) as error:
        raise MissingExtraError(
            f"benchmarks.affinity_clustering compares with scikit-learn, which could not be imported ({error}). "
            "Install it with: pip install scikit-learn"
        ) from error
    ring = torch.stack([torch.arange(nodes), torch.arange(1, nodes + 1) % nodes])
    edges = torch.cat([ring, random_edges(nodes, 9 * nodes)], dim=1)
    x = torch.randn(nodes, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    matrix = coo_matrix((torch.ones(edges.shape[1]), edges.numpy()), shape=(nodes, nodes)).tocsr()
    theirs = AgglomerativeClustering(
        n_clusters=None, distance_threshold=0.0, linkage="single", connectivity=matrix, compute_distances=True
    )

    def distances() -> Tensor:
        return (x[edges[0]] - x[edges[1]]).norm(dim=1)

    def ours(weight: Tensor) -> Hierarchy:
        return affinity_clustering(edges, weight, nodes, linkage="max", similarity=False, keep_graphs=False)

    given = distances()
    rows = medians(
        {
            "ours": lambda: ours(given),
            "ours, and the distances": lambda: ours(distances()),
            f"scikit-learn {sklearn.__version__}": lambda: theirs.fit(x.numpy()),
        },
        runs=runs,
        warm_up=1,
    )
    print_table(f"single linkage, {nodes:,} points, {edges.shape[1]:,} links", rows, "ours")
    print(f"  sums of merge heights: ours {heights(ours(given)):.9g}, theirs {theirs.distances_.sum():.9g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=10**7, help="most edges of the graphs that grow")
    parser.add_argument("--peer_nodes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(machine())
    growth(arguments.edges)
    for nodes in arguments.peer_nodes:
        peer(nodes, arguments.runs)


if __name__ == "__main__":
    main()
