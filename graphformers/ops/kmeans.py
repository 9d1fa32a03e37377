"""k-means: the nearest centroid of points, and centroids to begin with."""

from __future__ import annotations

import torch
from torch import Tensor

SCORES_AT_ONCE = 1 << 22
"""Products of points and centroids that are there at once: 16 MB."""
SEEDING_ROUNDS = 64
"""Seeds are drawn in at least so many rounds, each all that are left at most."""
TRIALS = 8
"""Draws of which the best is a seed."""
JUDGES = 8192
"""Points that say which is the best, at most."""


def nearest(points: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centroid of each point, of equally near ones the first, and its squared distance.

    Args:
        points: [n, D]. centroids: [C, D], C at least 1.

    Returns:
        [n] int64 and [n].
    """
    half = centroids.square().sum(1) / 2
    rows = max(1, SCORES_AT_ONCE // len(centroids))
    found = [torch.addmm(half, part, centroids.T, beta=-1).argmax(1) for part in points.split(rows)]
    index = torch.cat(found) if found else half.new_empty(0, dtype=torch.long)
    # From differences: the products would leave something where a point is its centroid.
    return index, (points - centroids[index]).square().sum(1)


def cluster_sums(points: Tensor, index: Tensor, num_centroids: int) -> tuple[Tensor, Tensor]:
    """How many points each cluster has [C], and their sum [C, D]."""
    counts = torch.bincount(index, minlength=num_centroids).to(points.dtype)
    return counts, points.new_zeros(num_centroids, points.shape[1]).index_add_(0, index, points)


def kmeans(points: Tensor, num_centroids: int, generator: torch.Generator, *, passes: int = 2) -> tuple[Tensor, Tensor]:
    """Seeds as in k-means++ (Arthur and Vassilvitskii, 2007), then passes of Lloyd's algorithm.

    A seed is the best of eight points, drawn in proportion to the squared distance from the nearest seed so far. Of
    many seeds some are found together, a 64th of them at a time, so that distances are large products of matrices.

    Args:
        points: [n, D], n at least 1.
        num_centroids: C; where there are fewer different points, the other centroids have no points.
        generator: Of the draws; a CPU's, so that devices agree.
        passes: Of Lloyd's algorithm.

    Returns:
        Centroids [C, D], and how many points are nearest to each [C], in the points' dtype.
    """
    centroids = _seeds(points, num_centroids, generator)
    used = len(centroids)
    index, _ = nearest(points, centroids)
    counts, sums = cluster_sums(points, index, used)
    for _ in range(passes):
        centroids = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centroids)
        index, _ = nearest(points, centroids)
        counts, sums = cluster_sums(points, index, used)
    more = num_centroids - used
    return torch.cat([centroids, points.new_zeros(more, points.shape[1])]), torch.cat([counts, counts.new_zeros(more)])


def _seeds(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    seeds = points[drawn(points.new_ones(len(points)), 1, generator)]
    _, distances = nearest(points, seeds)
    while len(seeds) < count:
        new = points[drawn(distances, TRIALS * min(count - len(seeds), max(1, count // SEEDING_ROUNDS)), generator)]
        if len(new) == 0:
            break
        new = new[_best_of_each_few(points, distances, new)]
        distances = torch.minimum(distances, nearest(points, new)[1])
        seeds = torch.cat([seeds, new])
    return seeds


def _best_of_each_few(points: Tensor, distances: Tensor, new: Tensor) -> Tensor:
    """Of each ``TRIALS`` of ``new`` the place of that which takes most off the sum of ``distances``."""
    step = -(-len(points) // JUDGES)
    points, distances = points[::step], distances[::step]
    rows, sums = max(1, SCORES_AT_ONCE // len(new)), points.new_zeros(len(new))
    half = new.square().sum(1) / 2
    for some, far in zip(points.split(rows), distances.split(rows), strict=True):
        to_new = some.square().sum(1, keepdim=True) - 2 * torch.addmm(half, some, new.T, beta=-1)
        sums += torch.minimum(to_new, far[:, None]).sum(0)
    padded = torch.nn.functional.pad(sums, (0, -len(sums) % TRIALS), value=torch.inf).unflatten(0, (-1, TRIALS))
    return padded.argmin(1) + TRIALS * torch.arange(len(padded), device=new.device)


def drawn(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Up to ``count`` different places of ``weights`` [n], drawn in proportion to them; none whose weight is 0.

    By the largest log(weight) + Gumbel noise (Efraimidis and Spirakis, 2006, in other words).
    """
    noise = torch.rand(len(weights), generator=generator, dtype=torch.float64).to(weights.device)
    keys = weights.double().log() - torch.log(-torch.log(noise))
    return keys.topk(min(count, int((weights > 0).sum()))).indices
