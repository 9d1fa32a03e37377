"""Small parts that several layers are made of."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Norm = Literal["batch", "layer"] | None


def linear(in_channels: int, out_channels: int, bias: bool = True) -> nn.Linear:
    """A linear map whose input width may be left to the first input: -1."""
    if in_channels == -1:
        return nn.LazyLinear(out_channels, bias=bias)
    return nn.Linear(in_channels, out_channels, bias=bias)


class GlorotLinear(nn.Linear):
    """A linear map without bias whose weights are drawn as Glorot and Bengio (2010) say, uniformly."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, bias=False)

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)


class LazyGlorotLinear(nn.LazyLinear):
    """The same, its input width learnt from the first input."""

    cls_to_become = GlorotLinear  # type: ignore[assignment]

    def __init__(self, out_channels: int) -> None:
        super().__init__(out_channels, bias=False)

    def reset_parameters(self) -> None:
        if self.in_features and not self.has_uninitialized_params():
            nn.init.xavier_uniform_(self.weight)


def glorot_linear(in_channels: int, out_channels: int) -> nn.Linear:
    """A :class:`GlorotLinear` whose input width may be left to the first input: -1."""
    return LazyGlorotLinear(out_channels) if in_channels == -1 else GlorotLinear(in_channels, out_channels)


def norm_of(norm: Norm, channels: int, batch_norm: type[nn.BatchNorm1d] = nn.BatchNorm1d) -> nn.Module:
    """The norm of that name, ``batch_norm`` for "batch"; None does nothing.

    Raises:
        ValueError: On another name.
    """
    if norm is None:
        return nn.Identity()
    if norm not in ("batch", "layer"):
        raise ValueError(f"norm: expected 'batch', 'layer' or None, got {norm!r}")
    return batch_norm(channels) if norm == "batch" else nn.LayerNorm(channels)


def reset(*modules: nn.Module | None) -> None:
    """Draw the parameters of each module anew, if it has any."""
    for module in modules:
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()  # type: ignore[operator, union-attr]


def freeze_edges(layer: nn.Module) -> None:
    """Leave what the last layer would do with its edges as it is drawn, for nothing reads it.

    Processes that train together would wait for its gradients in vain.
    """
    own = getattr(layer, "local", None) or layer
    for name in ("edges", "edge_norm"):
        module = getattr(own, name, None)
        if module is not None:
            module.requires_grad_(False)


def join(old: Tensor | None, new: Tensor) -> Tensor:
    """``new``, with a residual if there is one.

    Raises:
        ValueError: If it has other channels.
    """
    if old is None:
        return new
    if old.shape != new.shape:
        raise ValueError(f"residual: expected {new.shape[1]} channels, got {old.shape[1]}")
    return old + new
