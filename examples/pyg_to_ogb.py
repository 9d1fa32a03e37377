"""A PyTorch Geometric data set written in OGB's layout, which ``graphformers.train`` reads.

python examples/pyg_to_ogb.py zinc data/zinc                       # downloads ZINC, 12,000 molecules
python examples/pyg_to_ogb.py peptides_func data/peptides_func     # the Long Range Graph Benchmark

python -m graphformers.train configs/gt_zinc.yaml --data.root data/zinc
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from formerdata import ogb
from formerdata.graphs import Splits
from formerdata.graphs.pyg import from_pyg


def write(parts: Sequence[Sequence[Any]], folder: str | Path, name: str, task: str, metric: str) -> Path:
    """Write graphs for training, validation and test.

    Args:
        parts: Three data sets (or lists) of ``Data``, whose targets are numbers or labels 0 and 1.
        folder: Where to; it must not exist.
        name: With OGB's prefix, such as ``ogbg-zinc``.
        task: OGB's word for it: "regression" or "binary classification".
        metric: "mae", "rmse", "rocauc" or "ap".
    """
    graphs = from_pyg([graph for part in parts for graph in part], name=name)
    assert graphs.y is not None
    splits = Splits(*torch.arange(len(graphs)).split([len(part) for part in parts]))
    meta = ogb.OgbMeta(
        name, task, metric, "published", num_tasks=graphs.y.shape[1], binary=True,
        has_node_attr=graphs.x is not None, has_edge_attr=graphs.edge_attr is not None,
    )  # fmt: skip
    return ogb.write_task(folder, ogb.GraphTask(meta, graphs, splits))


def main() -> None:
    from torch_geometric.datasets import ZINC, LRGBDataset

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["zinc", "peptides_func", "peptides_struct"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        splits = ("train", "val", "test")
        if arguments.dataset == "zinc":
            parts = [ZINC(cache, subset=True, split=split) for split in splits]
            write(parts, arguments.folder, "ogbg-zinc", "regression", "mae")
        else:
            name = arguments.dataset.replace("_", "-").capitalize()
            parts = [LRGBDataset(cache, name=name, split=split) for split in splits]
            func = arguments.dataset == "peptides_func"
            task, metric = ("binary classification", "ap") if func else ("regression", "mae")
            write(parts, arguments.folder, f"ogbg-{arguments.dataset}", task, metric)


if __name__ == "__main__":
    main()
