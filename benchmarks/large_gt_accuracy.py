"""LargeGT's halves on a generated graph, and LargeGT beside GraphSAGE of PyTorch Geometric on published ones.

    python -m benchmarks.large_gt_accuracy [--sets NAME ...] [--seeds N] [--output DIR]

``communities`` is the graph of ``configs/largegt_sample.yaml``: the model whole, with a codebook of one centroid, with
one that does not know places, its local module alone, its global module alone, and a perceptron that sees features
only. The others are amazon-photo and coauthor-cs (60, 20 and 20 percent, and again with 20 and 30 nodes a class for
training and validation), minesweeper (split 0) and Johns Hopkins (half, a quarter and a quarter). Scores are those of
the epoch that is best in validation; means and deviations are over seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from formerdata.store import Communities

from benchmarks.contest import Contender, Make, outcome
from benchmarks.data import DATA
from benchmarks.geometric_peers import FeatureMLP, GraphSAGE
from formerkit.memory import keep_freed_memory
from graphformers import sources
from graphformers.encodings import EncodingSettings
from graphformers.models import LargeGT
from graphformers.preparation import Found
from graphformers.settings import GraphTraining
from graphformers.tasks import TokenSettings

PLACES = EncodingSettings("fast_rp", 32, hops=8)
ALONE = TokenSettings(size=1, hops=0)
"""A node's own features."""


def large_gt(mode: Any, centroids: int, mlp_dropout: float, dropout: float, types: bool = False) -> Make:
    return lambda task: LargeGT(
        64, mode=mode, num_centroids=centroids, mlp_dropout=mlp_dropout, dropout=dropout, token_types=types,
        **task.model_arguments,
    )  # fmt: skip


def training(epochs: int, batch_size: int, lr: float = 1e-3) -> GraphTraining:
    return GraphTraining(
        epochs=epochs, batch_size=batch_size, lr=lr, schedule="cosine", accelerator="cpu", checkpoint_every=10_000
    )


def communities() -> Sequence[Contender]:
    budget, tokens = training(30, 256), TokenSettings(size=20)

    def model(mode: Any, centroids: int = 512) -> Make:
        return large_gt(mode, centroids, 0.2, 0.1)

    return [
        Contender("full", model("full"), budget, PLACES, tokens),
        Contender("full, one centroid", model("full", 1), budget, PLACES, tokens),
        Contender("full, no places", model("full"), budget, tokens=tokens),
        Contender("local", model("local"), budget, tokens=tokens),
        Contender("global", model("global"), budget, PLACES, ALONE),
        Contender("perceptron", lambda task: FeatureMLP(task, 64, 0.2), budget, tokens=ALONE),
    ]


def published(budget: GraphTraining, mlp_dropout: float = 0.5, dropout: float = 0.3) -> Sequence[Contender]:
    """LargeGT, with and without codebook and types; and GraphSAGE, with one step an epoch and more epochs instead."""
    whole = GraphTraining(epochs=200, lr=1e-2, schedule="constant", accelerator="cpu", checkpoint_every=200)

    def model(name: str, mode: Any, types: bool) -> Contender:
        make = large_gt(mode, 256, mlp_dropout, dropout, types)
        return Contender(f"LargeGT {name}", make, budget, PLACES, TokenSettings(size=20))

    return [
        model("full, token types", "full", True),
        model("full", "full", False),
        model("local, token types", "local", True),
        Contender("PyG GraphSAGE", lambda task: GraphSAGE(task, 64, 2, 0.5), whole),
    ]


def npz(name: str, split: Literal["random", "per_class"] = "random") -> Callable[[int], Found]:
    path = str(DATA / "gnn_benchmark_npz" / f"{name}.npz")
    return lambda seed: sources.GNNBenchmark(path, seed, split).task()


def cases(folder: Path) -> dict[str, tuple[Callable[[int], Found], Sequence[Contender]]]:
    sample = sources.StoredCommunities(str(folder / "store"), Communities(20_000, 200_000))
    hopkins = str(DATA / "linkx_small" / "facebook100" / "Johns_Hopkins55.mat")
    mines = sources.Heterophilous(str(DATA / "heterophilous" / "minesweeper.npz"), measure="roc_auc")
    return {
        "communities": (lambda _: sample.task(), communities()),
        "amazon-photo": (npz("amazon_photo"), published(training(15, 128))),
        "coauthor-cs": (npz("coauthor_cs"), published(training(10, 128))),
        "amazon-photo, few labels": (npz("amazon_photo", "per_class"), published(training(100, 160, 3e-3))),
        "coauthor-cs, few labels": (npz("coauthor_cs", "per_class"), published(training(60, 160, 3e-3))),
        "Johns Hopkins": (lambda seed: sources.Facebook100(hopkins, seed).task(), published(training(10, 128))),
        "minesweeper": (lambda _: mines.task(), published(training(40, 128, 3e-3), 0.1, 0.1)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(cases(Path()))
    parser.add_argument("--sets", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("runs/large_gt_accuracy"))
    arguments = parser.parse_args()
    keep_freed_memory()
    for name in arguments.sets:
        tasks, contenders = cases(arguments.output)[name]
        found = cache(lambda seed, tasks=tasks: tasks(seed).checked())
        folder = arguments.output / name.replace(" ", "_")
        rows = [outcome(one, found, folder, range(arguments.seeds)).row() for one in contenders]
        print(f"\n{name}\n  " + "\n  ".join(rows) + "\n", flush=True)


if __name__ == "__main__":
    main()
