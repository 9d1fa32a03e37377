"""All benchmarks but the longest, one after another: ``make bench``, or ``python -m benchmarks.run [NAME ...]``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HELPERS = {"__init__", "by_heart", "contest", "data", "geometric_peers", "run", "tgn_example", "timing"}
LONG = {
    "graph_learning", "large_gt_accuracy", "large_gt_scale", "operators_on_scenes", "overfit_argoverse2",
    "overfit_kitti", "real_graphs", "temporal_links", "todyformer_ablation",
}  # fmt: skip
"""They train for an hour or so: only by name."""


def names() -> list[str]:
    """The benchmarks beside this file."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS)


def main() -> None:
    chosen = sys.argv[1:] or [name for name in names() if name not in LONG]
    if unknown := sorted(set(chosen) - set(names())):
        sys.exit(f"unknown benchmark {', '.join(unknown)}; there are: {', '.join(names())}")
    for name in chosen:
        print(f"\n=== {name} " + "=" * (70 - len(name)))
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
