"""Lightning Fabric as this project uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from formerkit.io import ConfigError
from formerkit.training.settings import definite, on_gpu

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn

    from formerkit.training.settings import OneCycleTraining, TrainingSettings


def make_fabric(settings: TrainingSettings) -> Fabric:
    """Devices, precision and strategy of a run, processes launched.

    Raises:
        ConfigError: If this machine has no such device, or Fabric knows no such name.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.plugins import MixedPrecision
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    class Mixed(MixedPrecision):
        """Autocast, batches left alone: Fabric would rebuild them field by field, and ours are frozen."""

        def convert_input(self, data: Any) -> Any:
            return data

    wanted = definite(settings.precision, settings.accelerator)
    precision: dict[str, Any] = {"precision": wanted}
    if wanted.endswith("-mixed"):
        device = "cuda" if on_gpu(settings.accelerator) else "cpu"
        precision = {"plugins": [Mixed(wanted, device=device)]}  # type: ignore[arg-type]
    try:
        fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            strategy=settings.strategy,
            **precision,
        )
    except (ValueError, TypeError, RuntimeError, ImportError, MisconfigurationException) as error:
        asked = ", ".join(f"{name} {getattr(settings, name)}" for name in ("accelerator", "devices", "strategy"))
        raise ConfigError(f"training: {asked}: {' '.join(str(error).split())}") from error
    fabric.launch()
    return fabric


def prepare(model: nn.Module, fabric: Fabric, settings: OneCycleTraining) -> nn.Module:
    """The model as several processes train it; call it before ``fabric.setup``.

    Where ``settings.sync_batch_norm`` is set and there are several processes, batch norms take their statistics over
    all of them (:func:`~formerkit.training.batch_norm.synchronised`). Parameters and their names stay the same, so
    that it does not matter whether an optimiser has been made before, nor by how many processes a checkpoint was
    written.
    """
    if not settings.sync_batch_norm or fabric.world_size == 1:
        return model
    from formerkit.training.batch_norm import synchronised

    return synchronised(model, fabric.device)
