"""Small published data sets: ours, and PyTorch Geometric's GCN or GIN, trained by the same loop with the same budget.

    python -m benchmarks.real_graphs [--sets NAME ...] [--seeds N] [--output DIR]

Nodes: Cora (public split), minesweeper (split 0, ROC-AUC), amazon-photo (20 and 30 nodes a class); the peer is GCN.
Graphs: MUTAG, ESOL, BBBP, Crippen's logP of ZINC molecules; the peer is GIN. Means and deviations are over seeds, which
for random splits draw those too. Runs that are done are read. Files are looked for under FORMERKIT_DATA.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from benchmarks.data import DATA
from formerkit.io import require
from formerkit.memory import keep_freed_memory
from formerkit.training.fabric import make_fabric
from graphformers import sources
from graphformers.encodings import EncodingSettings, with_encodings
from graphformers.fitting import fit_task
from graphformers.layers.encoders import encoded, node_encoder
from graphformers.models import GraphTransformer, MPNNVirtualNode
from graphformers.ops.batches import graph_mean
from graphformers.settings import GraphTraining
from graphformers.tasks import GraphTask

Make = Callable[[GraphTask], nn.Module]


class Peer(nn.Module):
    """GCN or GIN of PyTorch Geometric between embeddings of types and the mean of each graph."""

    def __init__(self, task: GraphTask, name: str, channels: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        models = require("torch_geometric.nn", "graph", purpose="the peer")
        given = task.model_arguments
        types, features = given.get("node_types"), given.get("in_channels")
        self.encoder = None if types is None else node_encoder(None, types, channels)
        graphs = task.level == "graph"
        self.network = getattr(models, name)(
            features or channels, channels, num_layers, None if graphs else task.outputs, dropout=dropout,
            norm="batch_norm" if graphs else None,
        )  # fmt: skip
        self.head = nn.Linear(channels, task.outputs) if graphs else None

    def forward(self, x: Tensor, edge_index: Tensor, _: Any, batch: Tensor, *, num_graphs: int) -> Tensor:
        h = x if self.encoder is None else encoded(self.encoder, x, "x")
        h = self.network(h, edge_index)
        return h if self.head is None else self.head(graph_mean(h, batch, num_graphs))


@dataclass(frozen=True)
class Case:
    """A data set, ours for it, and how both are trained."""

    task: Callable[[int], GraphTask]
    ours: Make
    peer: Make
    training: GraphTraining
    encoding: EncodingSettings = field(default_factory=lambda: EncodingSettings("none"))


def virtual(channels: int, num_layers: int, **options: Any) -> Make:
    return lambda task: MPNNVirtualNode(channels, num_layers=num_layers, **options, **task.model_arguments)


def transformer(channels: int, num_layers: int, heads: int, **options: Any) -> Make:
    options |= {"num_layers": num_layers, "heads": heads}
    return lambda task: GraphTransformer(channels, **options, **task.model_arguments)


def peer(name: str, channels: int, num_layers: int, dropout: float) -> Make:
    return lambda task: Peer(task, name, channels, num_layers, dropout)


def whole(epochs: int, lr: float, weight_decay: float) -> GraphTraining:
    """One step an epoch, on the whole graph."""
    return GraphTraining(
        epochs=epochs, lr=lr, weight_decay=weight_decay, schedule="constant", accelerator="cpu",
        checkpoint_every=epochs, log_every=10,
    )  # fmt: skip


def batches(epochs: int) -> GraphTraining:
    return GraphTraining(
        epochs=epochs, batch_size=32, lr=1e-3, schedule="cosine", warm_epochs=3, accelerator="cpu",
        checkpoint_every=10_000,
    )  # fmt: skip


WALKS = {"pe_channels": 16, "pe_width": 8, "pe_norm": True, "pe_signs": False}


def of(*parts: str) -> str:
    return str(DATA.joinpath(*parts))


def molecules(name: str, measure: Any) -> Callable[[int], GraphTask]:
    path = of("molecules", f"{name}.csv")
    return lambda seed: sources.Molecules(path, measure=measure, split="random", split_seed=seed).task()


def zinc(seed: int) -> GraphTask:
    folder = ("molecules", "zinc")
    return sources.ZincLogP(of(*folder, "test.txt"), of(*folder, "zinc12k_test.index"), seed).task()


def cases() -> dict[str, Case]:
    cora = sources.Planetoid(of("planetoid"), "cora")
    minesweeper = sources.Heterophilous(of("heterophilous", "minesweeper.npz"), measure="roc_auc")
    photo, mutag = of("gnn_benchmark_npz", "amazon_photo.npz"), of("tudataset", "MUTAG")
    gcn = virtual(64, 2, conv="gcn", virtual="none", dropout=0.6)
    gated = virtual(64, 5, conv="gated_gcn", virtual="none", dropout=0.2)
    mpnn, gin = virtual(64, 4, conv="gine", dropout=0.1, **WALKS), peer("GIN", 64, 4, 0.1)
    walks = EncodingSettings("random_walk", 16)
    return {
        "Cora": Case(lambda _: cora.task(), gcn, peer("GCN", 64, 2, 0.6), whole(200, 1e-2, 5e-2)),
        "minesweeper": Case(lambda _: minesweeper.task(), gated, peer("GCN", 64, 5, 0.2), whole(300, 3e-3, 0.0)),
        "amazon-photo": Case(
            lambda seed: sources.GNNBenchmark(photo, seed).task(), gcn, peer("GCN", 64, 2, 0.6), whole(200, 1e-2, 1e-2)
        ),
        "MUTAG": Case(
            lambda seed: sources.TU(mutag, seed).task(),
            transformer(32, 3, 4, pe_channels=4, dropout=0.1), peer("GIN", 32, 3, 0.1), batches(60),
            EncodingSettings("laplacian", 4),
        ),
        "ESOL": Case(molecules("esol", "rmse"), mpnn, gin, batches(60), walks),
        "BBBP": Case(molecules("bbbp", "roc_auc"), mpnn, gin, batches(30), walks),
        "ZINC logP": Case(zinc, mpnn, gin, batches(60), walks),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found = cases()
    parser.add_argument("--sets", nargs="+", default=list(found), choices=list(found))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("runs/real_graphs"))
    arguments = parser.parse_args()
    keep_freed_memory()
    lines = []
    for name in arguments.sets:
        case = found[name]
        scores: dict[str, list[float]] = {"ours": [], "peer": []}
        for seed in range(arguments.seeds):
            task = case.task(seed).checked()
            encoded = replace(task, graphs=with_encodings(task.graphs, case.encoding))
            for side, make in (("ours", case.ours), ("peer", case.peer)):
                folder = arguments.output / name.replace(" ", "_") / f"{side}_{seed}"
                result = fit_task(
                    make_fabric(case.training), encoded if side == "ours" else task, make, case.training, folder,
                    seed=seed, config={"set": name, "side": side, "training": repr(case.training)},
                )  # fmt: skip
                assert result is not None
                scores[side].append(result["test"] * task.metric.scale)
        texts = {side: f"{statistics.mean(values):.3f} ± {_deviation(values):.3f}" for side, values in scores.items()}
        better = "higher" if task.metric.higher_is_better else "lower"
        lines.append(f"{name:<14} {task.metric.name} ({better} is better)   ours {texts['ours']}   PyG {texts['peer']}")
        print("\n" + "\n".join(lines) + "\n", flush=True)


def _deviation(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
