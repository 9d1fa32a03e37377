"""Our GPS layer where ``torch_geometric.nn.GPSConv`` stood: ``python examples/in_place_of_gpsconv.py``.

The same two branches and feed-forward. What is different: edges are carried on from layer to layer, nothing is padded
(so a graph's result does not depend on what else is in the batch), and the second branch may be any mixer of
``formerkit.mixers``, Mamba for one, or a virtual node.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINEConv, GPSConv

from formerkit.mixers import Attention, Mamba
from graphformers.layers import GINE, DeepSetsVirtualNode, GPSLayer

CHANNELS, HEADS = 32, 4


class Theirs(nn.Module):
    """As in PyTorch Geometric's examples."""

    def __init__(self) -> None:
        super().__init__()
        network = nn.Sequential(nn.Linear(CHANNELS, CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, CHANNELS))
        self.conv = GPSConv(CHANNELS, GINEConv(network), heads=HEADS)

    def forward(self, data: Data) -> Tensor:
        return self.conv(data.x, data.edge_index, data.batch, edge_attr=data.edge_attr)


class Ours(nn.Module):
    """Give the layer ``ptr`` instead of ``batch``; it returns nodes and edges."""

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.conv = GPSLayer(CHANNELS, GINE(CHANNELS, CHANNELS), mixer)

    def forward(self, data: Data) -> Tensor:
        x, _ = self.conv(data.x, data.edge_index, data.edge_attr, data.ptr)
        return x


def main() -> dict[str, float]:
    """Print and return how much the first graph's result changes when a large one joins the batch."""
    torch.manual_seed(0)
    small, large = (
        Data(
            x=torch.randn(nodes, CHANNELS),
            edge_index=torch.randint(0, nodes, (2, 3 * nodes)),
            edge_attr=torch.randn(3 * nodes, CHANNELS),
        )
        for nodes in (5, 200)
    )
    mixers = {
        "attention": Attention(CHANNELS, HEADS),
        "Mamba": Mamba(CHANNELS),
        "virtual node": DeepSetsVirtualNode(CHANNELS),
    }
    models = {"GPSConv": Theirs(), **{f"GPSLayer, {name}": Ours(mixer) for name, mixer in mixers.items()}}
    changes = {}
    for name, model in models.items():
        model.eval()
        alone, together = (model(Batch.from_data_list(graphs))[:5] for graphs in ([small], [small, large]))
        changes[name] = float((alone - together).abs().max())
        print(f"{name:<24} changes by {changes[name]:.1e}")
    return changes


if __name__ == "__main__":
    with torch.no_grad():
        main()
