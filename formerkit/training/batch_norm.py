"""Batch norms with the statistics of all processes: several with a part of a batch each train as one with all of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from formerkit.mixers.layout import compute_dtype
from formerkit.processes import num_processes, total

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class DistributedBatchNorm(_BatchNorm):
    """Batch norm [N, C, ...] over the rows of all processes, on any device (Ioffe & Szegedy, 2015).

    As :class:`torch.nn.SyncBatchNorm`, which refuses CPUs. Processes may have different numbers of rows, also none.
    Gradients of weight and bias are those of the process' own rows: ``DistributedDataParallel`` adds them up.

    Raises:
        ValueError: In training, if there is but one value of a channel in all processes.
    """

    def forward(self, input: Tensor) -> Tensor:
        if num_processes() == 1 or not (self.training or self.running_mean is None):
            return super().forward(input)
        mean, variance, count = statistics_of_all(input)
        if count < 2:
            raise ValueError(f"expected more than 1 value per channel when training, got {count:.0f} in all processes")
        return normalise_by_all(input, self, mean, variance, count)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"DistributedBatchNorm: expected [N, C, ...], got {list(input.shape)}")


def statistics_of_all(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [C] and variance [C] (divided by the count) of ``x`` [N, C, ...] over all processes, and the count.

    In two passes, as deviations from the mean: one pass would lose what a variance has beyond the squared mean.
    """
    x = x.to(compute_dtype(x.dtype))
    axes = [axis for axis in range(x.dim()) if axis != 1]
    sums = total(torch.cat([x.sum(axes), x.new_tensor([x.numel() // max(1, x.shape[1])])]))
    count = sums[-1].detach()
    mean = sums[:-1] / count
    variance = total((x - _beside(mean, x)).square().sum(axes)) / count
    return mean, variance, count


def normalise_by_all(x: Tensor, norm: _BatchNorm, mean: Tensor, variance: Tensor, count: Tensor) -> Tensor:
    """``x`` [N, C, ...] normalised by these statistics, which go into the norm's running ones in training."""
    if norm.training:
        _track(norm, mean.detach(), variance.detach() * count / (count - 1))
    scale = torch.rsqrt(variance + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight
    y = (x.to(mean.dtype) - _beside(mean, x)) * _beside(scale, x)
    return (y if norm.bias is None else y + _beside(norm.bias, x)).to(x.dtype)


def synchronised(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with each plain batch norm replaced by one over all processes.

    On a GPU by torch's :class:`~torch.nn.SyncBatchNorm`, whose passes are fused; elsewhere by
    :class:`DistributedBatchNorm`. Subclasses of torch's batch norms are left as they are: they have their own rules.
    The same parameters and buffers are used, under the same names.
    """
    if type(model) in _PLAIN:
        assert isinstance(model, _BatchNorm)
        return _replaced(model, nn.SyncBatchNorm if device.type == "cuda" else DistributedBatchNorm)
    for name, child in model.named_children():
        setattr(model, name, synchronised(child, device))
    return model


def _replaced(norm: _BatchNorm, kind: type[_BatchNorm]) -> _BatchNorm:
    made = kind(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    for name, parameter in norm.named_parameters(recurse=False):
        setattr(made, name, parameter)
    for name, buffer in norm.named_buffers(recurse=False):
        setattr(made, name, buffer)
    return made.train(norm.training)


@torch.no_grad()
def _track(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), share)


def _beside(values: Tensor, x: Tensor) -> Tensor:
    """[C] as it lies beside [N, C, ...]."""
    return values.view(-1, *[1] * (x.dim() - 2))
