"""The codebook of LargeGT: how many centroids are in use, and how far points are from theirs, beside k-means.

    python -m benchmarks.codebook [--epochs N] [--seeds N]

Points are Cora's nodes (32 singular vectors of their features and 32 of the normalised adjacency matrix, which stand
for places) where the files are, and a mixture of 1,000 Gaussians of very different sizes in 64 dimensions. Each epoch
goes through them in batches of 256 in a new order. Errors are mean squared distances per dimension after whitening by
the mean and variance of all points. The peer is scikit-learn's KMeans (k-means++, Lloyd until it stands).

Beginnings: from the first batch, as training does by itself; from a sample of eight points a centroid; and, as the
authors' code has it, from random centroids with counts of 0 (same update, written down here in a few lines).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.data import DATA
from benchmarks.timing import machine
from graphformers.layers import Codebook
from graphformers.ops.kmeans import nearest

BATCH = 256


def cora() -> Tensor:
    from formerdata.graphs.planetoid import read_planetoid

    graph, _ = read_planetoid(DATA / "planetoid", "cora", normalize=True)
    assert graph.x is not None
    n = graph.num_nodes
    a = torch.eye(n)
    a[graph.edge_index[0], graph.edge_index[1]] = 1
    scale = a.sum(1) ** -0.5
    parts = [_left(graph.x), _left(scale[:, None] * a * scale)]
    return torch.cat(parts, 1)


def _left(matrix: Tensor, columns: int = 32) -> Tensor:
    """Singular vectors times singular values."""
    u, s, _ = torch.linalg.svd(matrix, full_matrices=False)
    return u[:, :columns] * s[:columns]


def mixture(count: int = 20_000, channels: int = 64, parts: int = 1000) -> Tensor:
    g = torch.Generator().manual_seed(0)
    places, sizes = torch.randn(parts, channels, generator=g), torch.rand(parts, generator=g) ** 3
    chosen = torch.multinomial(sizes, count, replacement=True, generator=g)
    return places[chosen] + 0.5 * torch.randn(count, channels, generator=g)


def white(points: Tensor) -> Tensor:
    return (points - points.mean(0)) / (points.var(0, correction=0) + 1e-5).sqrt()


class AsPublished:
    """Counts of 0, centroids anywhere, Laplace's correction; whitening left out, for points come white."""

    def __init__(self, size: int, channels: int, seed: int) -> None:
        g = torch.Generator().manual_seed(seed)
        self.counts, self.places = torch.zeros(size), torch.randn(size, channels, generator=g)
        self.sums = self.places.clone()

    def update(self, points: Tensor) -> None:
        index, _ = nearest(points, self.places)
        self.counts = 0.99 * self.counts + 0.01 * torch.bincount(index, minlength=len(self.counts))
        total = self.counts.sum()
        self.counts = (self.counts + 1e-5) / (total + 1e-5 * len(self.counts)) * total
        self.sums = 0.99 * self.sums + 0.01 * torch.zeros_like(self.sums).index_add_(0, index, points)
        self.places = self.sums / self.counts[:, None]

    def centroids(self) -> Tensor:
        return self.places


def ours(points: Tensor, size: int, seed: int, sample: int) -> Codebook:
    codebook = Codebook(size, points.shape[1], seed=seed)
    if sample:
        g = torch.Generator().manual_seed(seed)
        codebook.start(points[torch.randperm(len(points), generator=g)[:sample]])
    return codebook


def follow(codebook: Codebook | AsPublished, points: Tensor, epochs: int, seed: int) -> list[tuple[int, float]]:
    """Centroids in use and the error, after the first step and each epoch."""
    found, g = [], torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        for number, part in enumerate(torch.randperm(len(points), generator=g).split(BATCH)):
            codebook.update(points[part])
            if epoch == number == 0:
                found.append(measured(codebook, points))
        found.append(measured(codebook, points))
    return found


def measured(codebook: Codebook | AsPublished, points: Tensor) -> tuple[int, float]:
    places = codebook.centroids()
    if isinstance(codebook, Codebook):
        places = places[codebook.counts > 0]
    index, distances = nearest(points, places)
    return len(index.unique()), float(distances.mean()) / points.shape[1]


def compare(name: str, points: Tensor, size: int, epochs: int, seeds: int) -> None:
    points = white(points)
    print(f"\n{name}: {len(points):,} points of {points.shape[1]} dimensions, {size} centroids, batches of {BATCH}")
    contenders: dict[str, Callable[[int], Codebook | AsPublished]] = {
        "from the first batch": lambda seed: ours(points, size, seed, 0),
        "from a sample of 8 a centroid": lambda seed: ours(points, size, seed, 8 * size),
        "as published": lambda seed: AsPublished(size, points.shape[1], seed),
    }
    best = lloyd(points, size, seeds)
    print(f"  {'':<31} " + "".join(f"{title:>20}" for title in ("step 1", "epoch 1", f"epoch {epochs}")))
    for title, make in contenders.items():
        runs = [follow(make(seed), points, epochs, seed) for seed in range(seeds)]
        cells = []
        for place in (0, 1, -1):
            used = sum(run[place][0] for run in runs) / (len(runs) * size)
            error = sum(run[place][1] for run in runs) / len(runs)
            cells.append(f"{used:8.1%} {error:8.4g}" + (f" {error / best:.3f}" if best else ""))
        print(f"  {title:<31} " + "  ".join(cells))
    if best:
        print(f"  scikit-learn's KMeans: {best:.4f}; the last column of each three is the share of it")


def lloyd(points: Tensor, size: int, seeds: int) -> float | None:
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        print("  scikit-learn is not installed: pip install scikit-learn")
        return None
    errors = [KMeans(size, n_init=1, random_state=seed).fit(points.numpy()).inertia_ for seed in range(seeds)]
    return float(sum(errors)) / (seeds * points.numel())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print(machine())
    if (DATA / "planetoid" / "ind.cora.graph").exists():
        compare("Cora", cora(), 256, arguments.epochs, arguments.seeds)
    else:
        print(f"{DATA / 'planetoid'} is absent: set FORMERKIT_DATA for Cora's points")
    compare("Gaussians", mixture(), 512, arguments.epochs, arguments.seeds)


if __name__ == "__main__":
    main()
