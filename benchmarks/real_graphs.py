"""Small published data sets: ours, and PyTorch Geometric's GCN and GIN, trained by the same loop.

    python -m benchmarks.real_graphs [--sets NAME ...] [--seeds N] [--output DIR]

Nodes: Cora (public split), minesweeper (split 0), amazon-photo (20 and 30 nodes a class); the peer is GCN. Graphs:
MUTAG, ESOL, BBBP, Crippen's logP of ZINC molecules; the peers are GIN and, so that both see bonds, GINE. Either side
has a few settings, and of each side the one with the best mean in validation is compared; all rows are printed. Means
and deviations are over seeds, which for random splits draw those too (ten for MUTAG, whose test parts have 19 graphs,
and for amazon-photo, whose splits differ most). Runs that are done are read. Files are looked for under FORMERKIT_DATA.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from benchmarks.contest import Contender, Make, Outcome, comparison, outcome
from benchmarks.data import DATA
from benchmarks.geometric_peers import GraphGIN, NodeGCN
from formerkit.memory import keep_freed_memory
from graphformers import sources
from graphformers.encodings import EncodingSettings
from graphformers.layers import GCN, GINE
from graphformers.layers.encoders import GraphEncoder
from graphformers.models import MPNNVirtualNode
from graphformers.ops import adjacency
from graphformers.ops.batches import graph_sum
from graphformers.settings import GraphTraining
from graphformers.tasks import GraphTask


@dataclass(frozen=True)
class Case:
    """A data set, and who learns it.

    Attributes:
        task: Of a seed.
        ours, peers: Contenders of either side.
        seeds: How many.
    """

    task: Callable[[int], GraphTask]
    ours: Sequence[Contender]
    peers: Sequence[Contender]
    seeds: int


def whole(epochs: int, lr: float, weight_decay: float) -> GraphTraining:
    """One step an epoch, on the whole graph; the decay is in the gradient, as in the examples of both sides."""
    return GraphTraining(
        epochs=epochs, lr=lr, optimizer="adam", weight_decay=weight_decay, schedule="constant", accelerator="cpu",
        checkpoint_every=epochs, log_every=10,
    )  # fmt: skip


def batches(epochs: int, lr: float) -> GraphTraining:
    return GraphTraining(
        epochs=epochs, batch_size=32, lr=lr, schedule="cosine", warm_epochs=3, accelerator="cpu",
        checkpoint_every=10_000,
    )  # fmt: skip


class Convolutions(nn.Module):
    """Two of our GCN layers, as Kipf and Welling have them."""

    def __init__(self, task: GraphTask, channels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.first = GCN(task.model_arguments["in_channels"], channels, residual=False, norm=None, dropout=dropout)
        self.second = GCN(channels, task.outputs, activation=False, residual=False, norm=None)

    def forward(self, x: Tensor, edge_index: Tensor, *_: Any, **__: Any) -> Tensor:
        edges = adjacency(edge_index, len(x))
        h, _ = self.first(self.dropout(x), edges)
        return self.second(h, edges)[0]


class Isomorphism(nn.Module):
    """Our GINE layers without residuals, which without edges are GIN, and a sum of the nodes; the peers' network."""

    def __init__(
        self, task: GraphTask, channels: int, num_layers: int, *, edges: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        given = task.model_arguments
        types = {"edge_types": given["edge_types"]} if edges else {}
        self.encoder = GraphEncoder(channels, node_types=given["node_types"], **types)
        self.layers = nn.ModuleList(
            GINE(channels, channels, residual=False, mlp_norm="batch") for _ in range(num_layers)
        )
        self.head = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Dropout(dropout), nn.Linear(channels, task.outputs)
        )

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor, *, num_graphs: int, **_: Any
    ) -> Tensor:
        h, e = self.encoder.nodes(x), self.encoder.edges(edge_attr)
        edges = adjacency(edge_index, len(x))
        for layer in self.layers:
            h, _ = layer(h, edges, e)
        return self.head(graph_sum(h, batch, num_graphs))


def gcn_layers(channels: int, dropout: float) -> Make:
    return lambda task: Convolutions(task, channels, dropout)


def mpnn(channels: int, num_layers: int, **options: Any) -> Make:
    return lambda task: MPNNVirtualNode(channels, num_layers=num_layers, **options, **task.model_arguments)


def gcn(channels: int, num_layers: int, dropout: float, norm: str | None = None) -> Make:
    return lambda task: NodeGCN(task, channels, num_layers, dropout, norm)


def gin(channels: int, num_layers: int, dropout: float, **options: Any) -> Make:
    return lambda task: GraphGIN(task, channels, num_layers, dropout=dropout, **options)


WALKS = EncodingSettings("random_walk", 16)
PLACES = {"pe_channels": 16, "pe_width": 8, "pe_norm": True, "pe_signs": False}


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
    return {
        "Cora": citations(lambda _: cora.task()),
        "minesweeper": Case(
            lambda _: minesweeper.task(),
            [Contender("gated GCN", mpnn(64, 5, conv="gated_gcn", virtual="none", dropout=0.2), whole(300, 3e-3, 0.0))],
            [
                Contender(f"GCN, {norm}", gcn(64, 5, 0.2, norm), whole(300, lr, 0.0))
                for norm, lr in ((None, 1e-2), ("batch_norm", 3e-3))
            ],
            3,
        ),
        "amazon-photo": citations(lambda seed: sources.GNNBenchmark(photo, seed).task(), seeds=10),
        "MUTAG": few_graphs(lambda seed: sources.TU(mutag, seed).task()),
        "ESOL": small_molecules(molecules("esol", "rmse"), 60, 0.1),
        "BBBP": small_molecules(molecules("bbbp", "roc_auc"), 30, 0.1),
        "ZINC logP": small_molecules(zinc, 60, 0.0),
    }  # fmt: skip


def citations(task: Callable[[int], GraphTask], seeds: int = 3) -> Case:
    """Few labels and features by the hundred: strong dropout and decay. Ours is the peers' network of our layers."""
    training = whole(200, 1e-2, 5e-4)
    return Case(
        task, [Contender("GCN layers", gcn_layers(64, 0.6), training)],
        [Contender("GCN 64", gcn(64, 2, 0.6), training), Contender("GCN 16", gcn(16, 2, 0.5), training)], seeds,
    )  # fmt: skip


def few_graphs(task: Callable[[int], GraphTask]) -> Case:
    training = batches(100, 5e-3)
    gine: dict[str, Any] = {"conv": "gine", "pooling": "sum", "head_channels": [32]}
    return Case(
        task,
        [
            Contender("GINE", mpnn(32, 5, virtual="none", norm="batch", dropout=0.1, **gine), training),
            Contender("GINE, virtual node", mpnn(32, 4, dropout=0.1, **gine, **PLACES), training, WALKS),
            Contender("GIN layers", lambda task: Isomorphism(task, 32, 5, edges=False, dropout=0.5), training),
        ],
        [
            Contender("GIN", gin(32, 5, 0.5, pooling="add"), training),
            Contender("GINE", gin(32, 5, 0.5, pooling="add", edges=True), training),
        ],
        10,
    )


def small_molecules(task: Callable[[int], GraphTask], epochs: int, dropout: float) -> Case:
    """The same dropout for all, though ours have it in layers and the peers between the head's."""
    training = batches(epochs, 1e-3)
    gine: dict[str, Any] = {"conv": "gine", "dropout": dropout}
    plain = mpnn(64, 4, virtual="none", norm="batch", pooling="sum", head_channels=[64], **gine)
    return Case(
        task,
        [
            Contender("virtual node, mean", mpnn(64, 4, pooling="mean", **gine, **PLACES), training, WALKS),
            Contender("virtual node, sum", mpnn(64, 4, pooling="sum", **gine, **PLACES), training, WALKS),
            Contender("GINE", plain, training),
            Contender("GINE layers", lambda task: Isomorphism(task, 64, 4), training),
        ],
        [
            Contender("GIN", gin(64, 4, dropout, pooling="add"), training),
            Contender("GINE", gin(64, 4, dropout, pooling="add", edges=True), training),
        ],
        3,
    )


def compare(name: str, case: Case, seeds: int | None, output: Path) -> str:
    """Train all contenders; the table of rows, and the better of each side."""
    task = cache(lambda seed: case.task(seed).checked())
    folder = output / name.replace(" ", "_")
    sides: dict[str, list[Outcome]] = {
        side: [outcome(one, task, folder / side, range(seeds or case.seeds)) for one in contenders]
        for side, contenders in (("ours", case.ours), ("PyG", case.peers))
    }
    metric = task(0).metric
    better = "higher" if metric.higher_is_better else "lower"
    lines = [f"{name}: {metric.name}, {better} is better, {seeds or case.seeds} seeds"]
    lines += [f"  {side:<5} {one.row()}" for side, rows in sides.items() for one in rows]
    lines += [f"  {line}" for line in comparison(sides["ours"], sides["PyG"], "PyG")]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found = cases()
    parser.add_argument("--sets", nargs="+", default=list(found), choices=list(found))
    parser.add_argument("--seeds", type=int, help="instead of each set's own number")
    parser.add_argument("--output", type=Path, default=Path("runs/real_graphs"))
    arguments = parser.parse_args()
    keep_freed_memory()
    tables = []
    for name in arguments.sets:
        tables.append(compare(name, found[name], arguments.seeds, arguments.output))
        print("\n" + "\n\n".join(tables) + "\n", flush=True)


if __name__ == "__main__":
    main()
