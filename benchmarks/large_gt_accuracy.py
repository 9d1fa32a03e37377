"""LargeGT's halves on a generated graph, and LargeGT beside GraphSAGE of PyTorch Geometric on published ones.

    python -m benchmarks.large_gt_accuracy [--sets NAME ...] [--seeds N] [--output DIR]

``communities`` is the graph of ``configs/largegt_sample.yaml``: the model whole, with a codebook of one centroid, with
one that does not know places, its local module alone, its global module alone, and a perceptron that sees features
only. The others are amazon-photo and coauthor-cs (60, 20 and 20 percent, and again with 20 and 30 nodes a class for
training and validation), minesweeper (split 0) and Johns Hopkins (half, a quarter and a quarter). LargeGT has a few
settings there, and the one with the best mean in validation is compared with GraphSAGE; all rows are printed. Scores
are those of the epoch that is best in validation; means and deviations are over seeds, which draw the splits, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from formerdata.store import Communities

from benchmarks.contest import Contender, Make, comparison, outcome, slug
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


def large_gt(mode: Any, centroids: int, mlp_dropout: float, dropout: float, **options: Any) -> Make:
    return lambda task: LargeGT(
        64, mode=mode, num_centroids=centroids, mlp_dropout=mlp_dropout, dropout=dropout, **options,
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


@dataclass(frozen=True)
class Rival:
    """How LargeGT is trained on a published graph.

    Attributes:
        budget: Settings of the loop.
        mlp_dropout, dropout: Of the model; the authors' by default.
        hops, norm: Of the averages that come with each token.
        size: K, where neighbours are among the tokens.
    """

    budget: GraphTraining
    mlp_dropout: float = 0.5
    dropout: float = 0.3
    hops: int = 2
    norm: Literal["symmetric", "random_walk"] = "random_walk"
    size: int = 20

    def contenders(self) -> list[Contender]:
        """LargeGT as published, with token types and token norm, and so with K = 1: a node's own averages alone."""
        typed = {"token_types": True, "token_norm": True}
        return [
            self._one("LargeGT as published", self.size, "full"),
            self._one("LargeGT", self.size, "full", **typed),
            self._one("LargeGT, K = 1", 1, "full", **typed),
            self._one("local module, K = 1", 1, "local", **typed),
        ]

    def _one(self, name: str, size: int, mode: Any, **options: Any) -> Contender:
        make = large_gt(mode, 256, self.mlp_dropout, self.dropout, **options)
        places = EncodingSettings("none") if mode == "local" else PLACES
        return Contender(name, make, self.budget, places, TokenSettings(size=size, hops=self.hops, norm=self.norm))


def graph_sage() -> Contender:
    """One step an epoch, on the whole graph, and more epochs instead."""
    whole = GraphTraining(epochs=200, lr=1e-2, schedule="constant", accelerator="cpu", checkpoint_every=200)
    return Contender("PyG GraphSAGE", lambda task: GraphSAGE(task, 64, 2, 0.5), whole)


def npz(name: str, split: Literal["random", "per_class"] = "random") -> Callable[[int], Found]:
    path = str(DATA / "gnn_benchmark_npz" / f"{name}.npz")
    return lambda seed: sources.GNNBenchmark(path, seed, split).task()


def published() -> dict[str, tuple[Callable[[int], Found], Rival]]:
    hopkins = str(DATA / "linkx_small" / "facebook100" / "Johns_Hopkins55.mat")
    mines = sources.Heterophilous(str(DATA / "heterophilous" / "minesweeper.npz"), measure="roc_auc")
    return {
        "amazon-photo": (npz("amazon_photo"), Rival(training(15, 128))),
        "coauthor-cs": (npz("coauthor_cs"), Rival(training(10, 128), norm="symmetric")),
        "Johns Hopkins": (lambda seed: sources.Facebook100(hopkins, seed).task(), Rival(training(20, 128))),
        "minesweeper": (lambda _: mines.task(), Rival(training(80, 128, 3e-3), 0.1, 0.1, hops=3)),
        "amazon-photo, few labels": (npz("amazon_photo", "per_class"), Rival(training(60, 160, 3e-3))),
        "coauthor-cs, few labels": (npz("coauthor_cs", "per_class"), Rival(training(60, 160, 3e-3))),
    }


def halves(folder: Path, seeds: Sequence[int], models: Sequence[str]) -> list[str]:
    """Rows of the sample graph."""
    sample = sources.StoredCommunities(str(folder / "store"), Communities(20_000, 200_000))
    task = sample.task().checked()
    chosen = [one for one in communities() if one.name in models]
    return [outcome(one, lambda _: task, folder / "communities", seeds).row() for one in chosen]


def beside_sage(name: str, folder: Path, seeds: Sequence[int], models: Sequence[str]) -> list[str]:
    """Rows of a published graph."""
    tasks, rival = published()[name]
    found = cache(lambda seed: tasks(seed).checked())
    chosen = [one for one in rival.contenders() if one.name in models]
    ours = [outcome(one, found, folder / slug(name), seeds) for one in chosen]
    sage = [outcome(graph_sage(), found, folder / slug(name), seeds)]
    return [*(one.row() for one in (*ours, *sage)), *comparison(ours, sage, "GraphSAGE")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["communities", *published()]
    parser.add_argument("--sets", nargs="+", default=names, choices=names)
    anywhere = next(iter(published().values()))[1]
    models = [one.name for one in (*communities(), *anywhere.contenders())]
    parser.add_argument("--models", nargs="+", default=models, choices=models, help="of ours")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("runs/large_gt_accuracy"))
    arguments = parser.parse_args()
    keep_freed_memory()
    seeds = range(arguments.seeds)
    for name in arguments.sets:
        rest = arguments.output, seeds, arguments.models
        rows = halves(*rest) if name == "communities" else beside_sage(name, *rest)
        print(f"\n{name}\n  " + "\n  ".join(rows) + "\n", flush=True)


if __name__ == "__main__":
    main()
