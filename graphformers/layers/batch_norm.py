"""Batch norm over the batch of all processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.layout import compute_dtype
from graphformers.ops.processes import num_processes, total


class GlobalBatchNorm(nn.BatchNorm1d):
    """As :class:`torch.nn.BatchNorm1d` of rows [B, C], with two differences in training.

    Statistics are those of the rows of all processes of ``torch.distributed``, on any device: two processes train as
    one with twice the batch. (:class:`torch.nn.SyncBatchNorm` refuses CPUs.) And a batch of one row, which has no
    variance, is normalised by the running statistics and leaves them as they are.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        if num_processes() == 1:
            return super().forward(input) if len(input) > 1 else self._by_running(input)
        x = input.to(compute_dtype(input.dtype))
        sums = total(torch.cat([x.sum(0), x.new_tensor([len(x)])]))
        count = sums[-1].detach()
        if count < 2:
            return self._by_running(input)
        mean = sums[:-1] / count
        variance = total((x - mean).square().sum(0)) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        y = (x - mean) * torch.rsqrt(variance + self.eps)
        return (y * self.weight + self.bias).to(input.dtype)

    def _by_running(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)
        self.num_batches_tracked.add_(1)
