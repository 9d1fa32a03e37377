"""The official tool, run on a results file: for figures that shall be the devkit's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from formerkit.io import DataError, require


def evaluate_with_devkit(
    results: str | os.PathLike[str],
    root: str | os.PathLike[str],
    split: str,
    *,
    version: str = "v1.0-trainval",
    output_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Score a results file with ``nuscenes-devkit``.

    Args:
        results: File of :func:`formerdata.nuscenes.write_results`.
        root: Folder of the data set, complete with the maps' files.
        split: ``val``, ``mini_val`` ..., or one of ``ROOT/VERSION/splits.json``.
        version: Of the tables.
        output_dir: Where the tool writes its tables; beside the results if None.

    Returns:
        What the tool writes to ``metrics_summary.json``: ``nd_score``, ``mean_ap``, ``tp_errors`` and more.

    Raises:
        MissingExtraError: If the devkit is absent; the message names the extra.
        DataError: If there is no results file.
    """
    evaluation = require("nuscenes.eval.detection.evaluate", "nuscenes", purpose="evaluate_with_devkit")
    config = require("nuscenes.eval.common.config", "nuscenes", purpose="evaluate_with_devkit")
    devkit = require("nuscenes", "nuscenes", purpose="evaluate_with_devkit")
    if not Path(results).is_file():
        raise DataError(results, "no such file", expected="a results file")
    folder = Path(output_dir) if output_dir is not None else Path(results).parent / "nuscenes_devkit"
    tables = devkit.NuScenes(version=version, dataroot=str(root), verbose=False)
    scoring = evaluation.DetectionEval(
        tables, config.config_factory("detection_cvpr_2019"), str(results), split, str(folder), verbose=False
    )
    summary: dict[str, Any] = scoring.main(plot_examples=0, render_curves=False)
    return summary
