"""A training epoch of the graph transformer on PATTERN: ours, and with attention by PyG's softmax and scatter.

    python -m benchmarks.graph_transformer_epoch [--runs N]

The published model (10 layers, 8 heads, 80 channels, LapPE, batch norm; batches of 26 graphs). What is
timed is a step (forward, backward, Adam); an epoch of 10,000 graphs is 384 of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from formerdata.graphs import GraphBatch
from formerdata.graphs.sbm import sbm_pattern
from torch import Tensor

from benchmarks.timing import machine, medians, print_table
from formerkit.io import require
from formerkit.memory import keep_freed_memory
from formerkit.training.optim import adam
from graphformers.encodings import EncodingSettings, with_encodings
from graphformers.models import GraphTransformer
from graphformers.ops import Adjacency
from graphformers.tasks import Objective

BATCH, STEPS = 26, 384


def through_pyg(q: Tensor, k: Tensor, v: Tensor, graph: Adjacency, *, clamp: float, **_: Any) -> tuple[Tensor, None]:
    """What :func:`graphformers.ops.edge_attention` gives without gates, heads last."""
    utils = require("torch_geometric.utils", "graph", purpose="the peer")
    source, destination = graph.edge_index
    s = ((q[destination] * k[source]).sum(1) * q.shape[1] ** -0.5).clamp(-clamp, clamp)
    w = utils.softmax(s, destination, num_nodes=len(q))
    return utils.scatter(w[:, None] * v[source], destination, 0, dim_size=len(q), reduce="sum"), None


@contextmanager
def attention(form: Callable[..., Any] | None) -> Iterator[None]:
    """The layers' attention, for a moment another one."""
    module = sys.modules["graphformers.layers.graph_transformer"]
    ours = module.edge_attention  # type: ignore[attr-defined]
    module.edge_attention = form or ours  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.edge_attention = ours  # type: ignore[attr-defined]


def step_of(batch: GraphBatch, form: Callable[..., Any] | None) -> tuple[Callable[[], object], Objective]:
    """One training step."""
    torch.manual_seed(0)
    model = GraphTransformer(80, 2, 10, 8, node_types=3, pe_channels=2)
    objective = Objective(model, "balanced_cross_entropy")
    optimizer = adam(model, weight_decay=0.0, beta2=0.999)

    def step() -> None:
        with attention(form):
            objective(batch)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()

    return step, objective


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    keep_freed_memory()
    print(machine())
    graphs, _ = sbm_pattern(train=BATCH, valid=1, test=1)
    graphs = with_encodings(graphs, EncodingSettings("laplacian", 2))
    batch = graphs.batch(range(BATCH))
    print(f"a batch: {batch.num_nodes:,} nodes, {batch.num_edges:,} edges")
    forms = {"ours": None, "the same, by PyG's softmax and scatter": through_pyg}
    calls, objectives = {}, {}
    for name, form in forms.items():
        calls[name], objectives[name] = step_of(batch, form)
    losses = []
    for name, form in forms.items():
        with torch.no_grad(), attention(form):
            losses.append(float(objectives[name].eval()(batch)["loss"]))
        objectives[name].train()
    print(f"losses before training: {', '.join(f'{loss:.6f}' for loss in losses)}")
    seconds = medians(calls, runs=arguments.runs)
    print_table("a step", seconds, "ours")
    for name, value in seconds.items():
        print(f"an epoch of {STEPS} steps, {name}: {STEPS * value:.0f} s")


if __name__ == "__main__":
    main()
