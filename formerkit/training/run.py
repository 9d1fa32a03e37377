"""The folder of a run: resolved configuration, environment, metrics, pictures, checkpoints."""

from __future__ import annotations

import csv
import itertools
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
    versions: dict[str, str | None] = {}
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
        resume_step: Steps done when the run goes on, or None for a new run: older metrics are then removed, and older
            checkpoints set aside (``checkpoints.1``), so that no later start takes them for its own.
    """

    def __init__(self, folder: str | os.PathLike[str], *, resume_step: int | None = None) -> None:
        from tensorboardX import SummaryWriter

        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path = self.folder / "metrics.csv"
        if resume_step is None:
            self._set_aside("checkpoints")
        last_step = -1 if resume_step is None else resume_step
        # What the last step has recorded is not recorded again: resuming a finished run repeats its validation.
        self._recorded = {name for step, name, _ in self._keep_rows(last_step) if int(step) == last_step}
        self._last_step = last_step
        self._file = open(self._path, "a", newline="", encoding="utf-8")  # noqa: SIM115  (closed by close)
        self._csv = csv.writer(self._file, lineterminator="\n")
        # TensorBoard hides what earlier sessions wrote from this step on. File names tell seconds only: a suffix keeps
        # sessions apart that follow each other at once.
        first = last_step + 1
        self._tensorboard = SummaryWriter(
            str(self.folder / "tensorboard"), purge_step=first, filename_suffix=f".from_{first}"
        )

    def _set_aside(self, name: str) -> None:
        """Give a folder that holds something the first free number."""
        old = self.folder / name
        if old.is_dir() and any(old.iterdir()):
            free = next(number for number in itertools.count(1) if not (self.folder / f"{name}.{number}").exists())
            old.rename(self.folder / f"{name}.{free}")

    def _keep_rows(self, last_step: int) -> list[list[str]]:
        """Rewrite the metrics without the rows after ``last_step``; returns the rows that stay."""
        rows = []
        if self._path.exists() and last_step >= 0:
            # A last line without its end was cut short by a kill, perhaps in the middle of a number.
            whole = self._path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0]
            rows = [row for row in csv.reader(whole.splitlines()) if len(row) == 3 and row[0].isdigit()]
        rows = [row for row in rows if int(row[0]) <= last_step]
        with atomic_write(self._path, "w") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("step", "name", "value"))
            writer.writerows(rows)
        return rows

    def log(self, step: int, **values: float) -> None:
        """Record scalars after ``step`` steps."""
        for name, value in values.items():
            if step == self._last_step and name in self._recorded:
                continue
            self._csv.writerow((step, name, repr(float(value))))
            self._tensorboard.add_scalar(name, value, step)
        self._file.flush()

    def rows(self) -> list[tuple[int, str, float]]:
        """All that was recorded so far: step, name, value."""
        with open(self._path, newline="", encoding="utf-8") as file:
            return [(int(step), name, float(value)) for step, name, value in list(csv.reader(file))[1:]]

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
