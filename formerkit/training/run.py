"""The folder of a run: resolved configuration, environment, metrics, pictures, checkpoints."""

from __future__ import annotations

import csv
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from formerkit.io import atomic_write

_PACKAGES = ("formerkit", "torch", "numpy", "numba", "lightning-fabric", "jsonargparse", "safetensors")


def environment() -> dict[str, Any]:
    """Versions and machine, for the record."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "command": sys.argv,
        "versions": versions,
    }


class Run:
    """A run's folder, open for writing.

    Metrics go to ``metrics.csv`` (a row a step and name) and to TensorBoard. When a run is resumed, rows of steps that
    will be done again are dropped, so that nothing stands twice.

    Args:
        folder: Made if absent.
        resume_step: Steps done when the run goes on, or None for a new run (older metrics are then removed).
    """

    def __init__(self, folder: str | os.PathLike[str], *, resume_step: int | None = None) -> None:
        from tensorboardX import SummaryWriter

        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path = self.folder / "metrics.csv"
        self._keep_rows(-1 if resume_step is None else resume_step)
        self._file = open(self._path, "a", newline="", encoding="utf-8")  # noqa: SIM115  (closed by close)
        self._csv = csv.writer(self._file)
        self._tensorboard = SummaryWriter(str(self.folder / "tensorboard"), purge_step=resume_step)

    def _keep_rows(self, last_step: int) -> None:
        rows = []
        if self._path.exists() and last_step >= 0:
            with open(self._path, newline="", encoding="utf-8") as file:
                # A last line that a kill cut short has no value.
                rows = [row for row in csv.reader(file) if len(row) == 3 and row[0].isdigit()]
        with atomic_write(self._path, "w") as file:
            writer = csv.writer(file)
            writer.writerow(("step", "name", "value"))
            writer.writerows(row for row in rows if int(row[0]) <= last_step)

    def log(self, step: int, **values: float) -> None:
        """Record scalars after ``step`` steps."""
        for name, value in values.items():
            self._csv.writerow((step, name, repr(float(value))))
            self._tensorboard.add_scalar(name, value, step)
        self._file.flush()

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file into the folder, whole or not at all."""
        with atomic_write(self.folder / name, "w") as file:
            file.write(text)
        return self.folder / name

    def write_json(self, name: str, data: Any) -> Path:
        """Write a JSON file into the folder, whole or not at all."""
        return self.write_text(name, json.dumps(data, indent=1) + "\n")

    def close(self) -> None:
        self._file.close()
        self._tensorboard.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
