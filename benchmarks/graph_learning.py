"""The graph transformer's claims on small PATTERN and CLUSTER: what LapPE is worth, and sparse attention; and a peer.

    python -m benchmarks.graph_learning [--data pattern cluster] [--epochs N] [--output DIR]

1,000 training graphs, four layers, the same data, budget, rate and schedule for all: ours with LapPE, without, and with
attention among all nodes; and PyTorch Geometric's GPSConv (GINE and multi-head attention) of about as many parameters,
with LapPE. The score is weighted accuracy on the test part at the epoch that is best in validation. Runs that are done
are read, so that the table can be taken up again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from formerkit.io import require
from formerkit.memory import keep_freed_memory
from formerkit.training.fabric import make_fabric
from graphformers.encodings import EncodingSettings, with_encodings
from graphformers.fitting import fit_task
from graphformers.models import GraphTransformer
from graphformers.settings import GraphTraining
from graphformers.sources import SBMCluster, SBMPattern
from graphformers.tasks import GraphTask

LAYERS, CHANNELS, HEADS = 4, 80, 8
PEER_CHANNELS = 72
"""GPSConv has about 10 C² parameters a layer, ours 8 C²."""


class GPSPeer(nn.Module):
    """PyTorch Geometric's GPSConv, with the same embeddings and head as ours."""

    def __init__(self, channels: int, types: int, k: int, outputs: int) -> None:
        super().__init__()
        geometric = require("torch_geometric.nn", "graph", purpose="the peer")
        self.embedding, self.places = nn.Embedding(types, channels), nn.Linear(k, channels)
        self.layers = nn.ModuleList(
            geometric.GPSConv(channels, geometric.GINConv(_mlp(channels)), heads=HEADS) for _ in range(LAYERS)
        )
        self.head = nn.Sequential(
            nn.Linear(channels, channels // 2), nn.ReLU(),
            nn.Linear(channels // 2, channels // 4), nn.ReLU(), nn.Linear(channels // 4, outputs),
        )  # fmt: skip

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None, batch: Tensor, *, pe: Tensor, **_: Any
    ) -> Tensor:
        signs = 2 * torch.randint(0, 2, (pe.shape[1],)) - 1 if self.training else 1
        h = self.embedding(x) + self.places(pe * signs)
        for layer in self.layers:
            h = layer(h, edge_index, batch)
        return self.head(h)


def _mlp(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))


def ours(full: bool = False) -> Callable[[GraphTask], nn.Module]:
    def make(task: GraphTask) -> nn.Module:
        k = 0 if task.graphs.pe is None else task.graphs.pe.shape[1]
        return GraphTransformer(
            CHANNELS, num_layers=LAYERS, heads=HEADS, pe_channels=k, full=full, **task.model_arguments
        )

    return make


def peer(task: GraphTask) -> nn.Module:
    assert task.graphs.pe is not None
    assert isinstance(task.node_types, int)
    return GPSPeer(PEER_CHANNELS, task.node_types, task.graphs.pe.shape[1], task.outputs)


CONTENDERS: dict[str, tuple[bool, Callable[[GraphTask], nn.Module]]] = {
    "LapPE, sparse": (True, ours()),
    "no PE, sparse": (False, ours()),
    "LapPE, full": (True, ours(full=True)),
    "PyG GPSConv, LapPE": (True, peer),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["pattern", "cluster"], choices=["pattern", "cluster"])
    parser.add_argument("--models", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--graphs", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--output", type=Path, default=Path("runs/graph_learning"))
    arguments = parser.parse_args()
    keep_freed_memory()
    rows = []
    for name in arguments.data:
        source, k = (SBMPattern, 2) if name == "pattern" else (SBMCluster, 10)
        task = source(train=arguments.graphs, valid=200, test=200).task().checked()
        encoded = GraphTask(**{**vars(task), "graphs": with_encodings(task.graphs, EncodingSettings("laplacian", k))})
        settings = GraphTraining(
            epochs=arguments.epochs, batch_size=26, lr=1e-3, schedule="cosine", warm_epochs=2, accelerator="cpu"
        )
        for model in arguments.models:
            with_pe, make = CONTENDERS[model]
            folder = arguments.output / name / model.replace(", ", "_").replace(" ", "_")
            about = {"data": name, "model": model, "graphs": arguments.graphs, "epochs": arguments.epochs}
            result = fit_task(
                make_fabric(settings), encoded if with_pe else task, make, settings, folder,
                seed=arguments.seed, config=about,
            )  # fmt: skip
            assert result is not None
            rows.append((name, model, result))
            print()
            for data, label, row in rows:
                print(
                    f"{data:<8} {label:<20} {row['parameters']:>9,} parameters   "
                    f"test {100 * row['test']:.2f}   valid {100 * row['valid']:.2f}   epoch {row['best_epoch']:g}"
                )


if __name__ == "__main__":
    main()
