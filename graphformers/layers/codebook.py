"""A codebook of centroids that follow the data as it passes: vector quantisation by moving averages.

Van den Oord et al., *Neural Discrete Representation Learning* (2017, appendix A.1), as GOAT (Kong et al., 2023) and
LargeGT (Dwivedi et al., 2023) use it to stand for all nodes of a graph. Per step, for a batch of points x::

    mean, variance <- moving averages of the batch's
    z = (x - mean) / sqrt(variance + eps)
    a = the nearest centroid of each z
    N_c <- decay N_c + (1 - decay) #{a = c}
    m_c <- decay m_c + (1 - decay) sum of z with a = c
    e_c  = m_c / N_c

In the authors' code all N_c begin at 0 and centroids anywhere, and hundreds of steps pass before most are of use. Three
things are different here. k-means of a sample is the beginning. While the points seen so far are fewer than the moving
averages remember, all weigh the same (as in Sculley, *Web-Scale K-Means Clustering*, 2010): 1 - decay is then the
batch's share of them. And each step moves centroids whose points could as well go to another one to points that are far
from theirs, where that pays: see :meth:`Codebook.update`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from formerkit.mixers.layout import full_precision
from formerkit.seeds import torch_generator
from graphformers.ops.kmeans import cluster_sums, drawn, kmeans, nearest
from graphformers.ops.processes import rows_of_all, total

SAME = 1e-6
"""Squared distance per dimension, in variances, below which a point is its centroid."""


class Codebook(nn.Module):
    """Centroids, and how many points each one stands for.

    It has no parameters, only buffers, and only :meth:`start` and :meth:`update` change them. Draws depend on ``seed``
    and the number of steps alone. Processes of ``torch.distributed`` keep equal codebooks, those that one process would
    have from all their points, if each calls the same methods.

    Args:
        num_centroids: C. channels: D, of a point.
        decay: Of the moving averages: they remember 1 / (1 - decay) batches.
        moves: Centroids that may move in a step; an eighth of them if None. Those that have no points move in any case,
            unless this is 0.
        seed: Of draws.

    Attributes:
        counts: [C] N_c. sums: [C, D] m_c. mean, variance: [D].
        steps: int64, updates so far. seen: float64, points so far.
    """

    counts: Tensor
    sums: Tensor
    mean: Tensor
    variance: Tensor
    steps: Tensor
    seen: Tensor

    def __init__(
        self,
        num_centroids: int,
        channels: int,
        *,
        decay: float = 0.99,
        moves: int | None = None,
        seed: int = 0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if num_centroids < 1:
            raise ValueError(f"num_centroids: expected at least 1, got {num_centroids}")
        if not 0 <= decay < 1:
            raise ValueError(f"decay: expected 0 or more and less than 1, got {decay}")
        self.decay, self.seed, self.eps = decay, seed, eps
        self.moves = -(-num_centroids // 8) if moves is None else min(moves, num_centroids)
        self.register_buffer("counts", torch.zeros(num_centroids))
        self.register_buffer("sums", torch.zeros(num_centroids, channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("seen", torch.zeros((), dtype=torch.float64))

    def reset_parameters(self) -> None:
        """Forget everything."""
        for buffer in (self.counts, self.sums, self.mean, self.steps, self.seen):
            buffer.zero_()
        self.variance.fill_(1.0)

    @property
    def started(self) -> bool:
        """Whether there are centroids."""
        return bool((self.counts > 0).any())

    def centroids(self) -> Tensor:
        """[C, D], as the points are; the mean for a centroid that is not used."""
        return self._whitened() * (self.variance + self.eps).sqrt() + self.mean

    def log_counts(self) -> Tensor:
        """[C] log N_c, -inf for a centroid that is not used. Only their differences mean anything."""
        return self.counts.log()

    @torch.no_grad()
    def assign(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The centroid of each point [n, D]: its number [n] int64 and the squared distance [n] after whitening.

        Raises:
            ValueError: If there are no centroids yet.
        """
        if not self.started:
            raise ValueError("codebook: has no centroids yet: start it, or train")
        with full_precision(points):
            return self._nearest(self._white(points))

    @torch.no_grad()
    def start(self, points: Tensor) -> None:
        """Forget all and begin with k-means of a sample: points [n, D], or each process' share of them.

        The sample should have some times more points than there are centroids; with fewer, the centroids that are left
        over begin at points of later batches.
        """
        with full_precision(points):
            points = rows_of_all(points.detach().to(self.sums.dtype))
            if len(points) == 0:
                return
            self.reset_parameters()
            self._follow(points.mean(0), points.var(0, unbiased=False), 1.0)
            centroids, counts = kmeans(self._white(points), len(self.counts), self._generator("start"))
            self.counts.copy_(counts)
            self.sums.copy_(centroids * counts[:, None])
            self.seen.fill_(len(points))

    @torch.no_grad()
    def update(self, points: Tensor) -> None:
        """One step with a batch of points [n, D], or each process' share of it; without centroids, start first.

        Moves: of the centroids with the lowest N_c, a, each could leave its points to the nearest of the others, b;
        squared distances would grow by N_a N_b / (N_a + N_b) ||e_a - e_b||^2 (Ward, 1963). Points of the batch are
        drawn in proportion to their squared distance from the centroid p that they were near to; if one becomes a
        centroid of its own, with the w that it has added to N_p, they shrink by w N_p / (N_p - w) ||z - e_p||^2, and
        by more if others follow it. The cheapest leave for the farthest as long as that pays. Sums of N_c and m_c over
        all centroids stay what they are.
        """
        with full_precision(points):
            points = points.detach().to(self.sums.dtype)
            if not self.started:
                self.start(points)
            size, weight = self._follow_batch(points)
            if size == 0:
                return
            z = self._white(points)
            index, distances = self._nearest(z)
            counts, sums = cluster_sums(z, index, len(self.counts))
            both = total(torch.cat([counts[:, None], sums], 1))
            if self.steps == 0:
                # From the size of the sample to that of a batch.
                share = size / self.counts.sum()
                self.counts.mul_(share)
                self.sums.mul_(share)
            self.counts.lerp_(both[:, 0], weight)
            self.sums.lerp_(both[:, 1:], weight)
            if self.moves > 0:
                self._move(rows_of_all(z), rows_of_all(index), rows_of_all(distances), weight)
            self.steps.add_(1)
            self.seen.add_(size)

    def extra_repr(self) -> str:
        return f"{len(self.counts)}, {len(self.mean)}, decay={self.decay}"

    def _generator(self, *key: int | str) -> torch.Generator:
        return torch_generator(self.seed, "codebook", *key)

    def _whitened(self) -> Tensor:
        return self.sums / torch.where(self.counts > 0, self.counts, 1)[:, None]

    def _white(self, points: Tensor) -> Tensor:
        return (points.to(self.mean.dtype) - self.mean) * torch.rsqrt(self.variance + self.eps)

    def _nearest(self, z: Tensor) -> tuple[Tensor, Tensor]:
        used = (self.counts > 0).nonzero()[:, 0]
        index, distances = nearest(z, self._whitened()[used])
        return used[index], distances

    def _follow_batch(self, points: Tensor) -> tuple[int, float]:
        """Mean and variance one step on.

        Returns:
            How many points the batch has in all processes, and the weight of the step.
        """
        sums = total(torch.cat([points.sum(0), points.new_tensor([len(points)])]))
        size = int(sums[-1])
        weight = max(1 - self.decay, size / (float(self.seen) + max(size, 1)))
        if size > 0:
            mean = sums[:-1] / size
            variance = total((points - mean).square().sum(0)) / size
            if size == 1:
                # One point has no variance of its own; around the mean so far it has.
                variance = (mean - self.mean).square()
            self._follow(mean, variance, weight)
        return size, weight

    def _follow(self, mean: Tensor, variance: Tensor, weight: float) -> None:
        self.mean.lerp_(mean, weight)
        self.variance.lerp_(variance, weight)

    def _move(self, z: Tensor, index: Tensor, distances: Tensor, weight: float) -> None:
        """z [B, D], points of the batch; index, distances [B], of the centroids that they have gone into."""
        most = max(self.moves, int((self.counts == 0).sum()))
        # Where a point is its centroid but for rounding there is nothing to gain.
        distances = distances.masked_fill(distances < SAME * z.shape[1], 0.0)
        points = drawn(distances, most, self._generator(int(self.steps)))
        # Squared distances from centroids that have the points already, and what others they have.
        far = (z - self._whitened()[index])[points].square().sum(1)
        rest = self.counts[index[points]] - weight
        gain = torch.where(rest > 1e-3 * weight, far * weight * (1 + weight / rest), 0.0)
        order = _order(-gain)
        points, gain = points[order], gain[order]
        old, heirs, cost = self._spare(index[points], most)
        count = min(len(points), len(old))
        points, old, heirs = points[:count], old[:count], heirs[:count]
        pays = cost[:count] < 0.99 * gain[:count]
        points, old, heirs, parents = points[pays], old[pays], heirs[pays], index[points[pays]]
        new = torch.cat([torch.ones_like(z[:, :1]), z], 1)[points] * weight
        table = torch.cat([self.counts[:, None], self.sums], 1)
        table.index_add_(0, heirs, table[old])
        table.index_add_(0, parents, new, alpha=-1)
        table[old] = new
        # Where all points have left, what remains is rounding.
        table[table[:, 0] < 1e-3 * weight] = 0
        self.counts.copy_(table[:, 0])
        self.sums.copy_(table[:, 1:])

    def _spare(self, wanted: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
        """Up to ``most`` centroids that could leave, the cheapest first, but none of ``wanted``.

        Returns:
            The centroids, which others take their points over, and what that costs; nothing for one without points.
        """
        order = self.counts.clone()
        order[wanted] = torch.inf
        low = order.argsort(stable=True)[:most]
        low = low[order[low].isfinite()]
        stay = self.counts > 0
        stay[low] = False
        others, places = stay.nonzero()[:, 0], self._whitened()
        if len(others) == 0:
            return low[:0], low[:0], self.counts[:0]
        found, gaps = nearest(places[low], places[others])
        heirs = others[found]
        cost = gaps / (1 / self.counts[low] + 1 / self.counts[heirs])
        order = _order(cost)
        return low[order], heirs[order], cost[order]


def _order(x: Tensor) -> Tensor:
    """Places of ``x`` from small to large; what differs in rounding alone stays in its order.

    Two points that share a centroid are equally far from it, and how sums are split among processes must not decide.
    """
    return x.bfloat16().argsort(stable=True)
