"""Argoverse 2's evaluation by its owners' package, for those who want to be sure: the extra ``av2``.

The package is large (it brings OpenCV, kornia, polars and more) and slower than :mod:`pointdet.metrics.argoverse2`,
which agrees with it; nothing else here needs it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from formerdata.argoverse2 import CATEGORIES, Argoverse2Objects
from formerdata.argoverse2.cuboids import columns_of

from formerkit.io import require
from pointdet.metrics.argoverse2_rules import MAX_RANGE

_PURPOSE = "the official evaluation of Argoverse 2"


def evaluate_official_argoverse2(
    truth: Argoverse2Objects,
    found: Argoverse2Objects,
    *,
    max_range: float = MAX_RANGE,
    dataset_dir: str | os.PathLike[str] | None = None,
    num_workers: int = 1,
) -> dict[str, dict[str, float]]:
    """Score detections with the ``av2`` package, over the challenge's categories that are annotated.

    Args:
        truth: Labels with ``num_points``. found: Detections with scores.
        max_range: Metres.
        dataset_dir: Folder of the split with the logs' HD maps; only boxes in the region of interest count then, as on
            the leaderboard. All count if None.
        num_workers: Processes; the package starts at least one, so a script needs its ``if __name__ == "__main__"``.

    Returns:
        Category to AP (0 to 1), ATE (m), ASE, AOE (rad) and CDS, not rounded; ``mean`` to the means.

    Raises:
        MissingExtraError: If ``av2``, or what it needs, is absent.
    """
    tool: Any = require("av2.evaluation.detection.eval", "av2", purpose=_PURPOSE)
    settings: Any = require("av2.evaluation.detection.utils", "av2", purpose=_PURPOSE)
    annotated = set(truth.names.tolist())
    rules = settings.DetectionCfg(
        categories=tuple(name for name in CATEGORIES if name in annotated),
        dataset_dir=None if dataset_dir is None else Path(dataset_dir),
        eval_only_roi_instances=dataset_dir is not None,
        max_range_m=max_range,
    )
    detections, labels, _ = tool.evaluate(_table(found, "score"), _table(truth, "num_interior_pts"), rules, num_workers)
    summary = tool.summarize_metrics(detections, labels, rules)  # the third value is rounded to 0.001
    scores = {str(name): {str(key): float(value) for key, value in row.items()} for name, row in summary.iterrows()}
    names = next(iter(scores.values()))
    return scores | {"mean": {name: float(np.mean([row[name] for row in scores.values()])) for name in names}}


def _table(objects: Argoverse2Objects, last: str) -> Any:
    pandas: Any = require("pandas", "av2", purpose=_PURPOSE)
    sweeps = objects.sweep_of
    return pandas.DataFrame(
        {
            "log_id": objects.log_ids[sweeps].tolist(),
            "timestamp_ns": objects.timestamps[sweeps],
            "category": objects.names.tolist(),
            **columns_of(objects.boxes),
            last: objects.scores if last == "score" else objects.num_points,
        }
    )
