"""Batch norm over the batch of all processes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.processes import num_processes
from formerkit.training.batch_norm import normalise_by_all, statistics_of_all


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
        statistics = statistics_of_all(input)
        return normalise_by_all(input, self, *statistics) if statistics[2] > 1 else self._by_running(input)

    def _by_running(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
