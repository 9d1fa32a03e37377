"""Lightning Fabric as this project uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from formerkit.training.settings import TrainingSettings


def make_fabric(settings: TrainingSettings) -> Fabric:
    """Devices, precision and strategy of a run, processes launched."""
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.plugins import MixedPrecision

    class Mixed(MixedPrecision):
        """Autocast, batches left alone: Fabric would rebuild them field by field, and ours are frozen."""

        def convert_input(self, data: Any) -> Any:
            return data

    on_gpu = settings.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    precision: dict[str, Any] = {"precision": settings.precision}
    if settings.precision.endswith("-mixed"):
        precision = {"plugins": [Mixed(settings.precision, device="cuda" if on_gpu else "cpu")]}  # type: ignore[arg-type]
    fabric = Fabric(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy,
        **precision,
    )
    fabric.launch()
    return fabric
