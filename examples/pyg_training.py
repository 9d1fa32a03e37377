"""Our layer in a plain PyTorch Geometric training script: ``python examples/pyg_training.py``.

Nothing of the script but the layer and the transform is ours. The data set is made up, so that nothing is downloaded:
which of two rings does a node of a pair of rings belong to?
"""

from __future__ import annotations

import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from graphformers import LaplacianPE
from graphformers.layers import GraphTransformerLayer


def rings(seed: int, graphs: int) -> list[Data]:
    """Two rings each, joined by one edge; the class of a graph is whether they are of the same size."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number in range(graphs):
        first = int(torch.randint(4, 9, (1,), generator=generator))
        second = first if number % 2 else 13 - first
        one, two = torch.arange(first), first + torch.arange(second)
        edges = torch.cat(
            [torch.stack([one, one.roll(1)]), torch.stack([two, two.roll(1)]), torch.tensor([[0], [first]])], dim=1
        )
        both = torch.cat([edges, edges.flip(0)], dim=1)
        made.append(Data(edge_index=both, num_nodes=first + second, y=torch.tensor([number % 2])))
    return made


class Model(nn.Module):
    """Positions, two layers of attention over neighbours, the mean of the graph."""

    def __init__(self, k: int, channels: int = 32) -> None:
        super().__init__()
        self.places = nn.Linear(k, channels)
        self.layers = nn.ModuleList(GraphTransformerLayer(channels, heads=4) for _ in range(2))
        self.head = nn.Linear(channels, 2)

    def forward(self, data: Data) -> torch.Tensor:
        # Only what does not change with the sign of an eigenvector.
        h = self.places(data.pe.abs())
        for layer in self.layers:
            h, _ = layer(h, data.edge_index)
        count = torch.bincount(data.batch)[:, None]
        return self.head(h.new_zeros(len(count), h.shape[1]).index_add(0, data.batch, h) / count)


def main(epochs: int = 30) -> float:
    """Train, print and return the accuracy on graphs that were not seen."""
    torch.manual_seed(0)
    transform = LaplacianPE(4)
    train, test = ([transform(graph) for graph in rings(seed, 200)] for seed in (0, 1))
    model = Model(4)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        model.train()
        for batch in DataLoader(train, 32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(batch), batch.y).backward()
            optimizer.step()
    model.eval()
    batch = next(iter(DataLoader(test, len(test))))
    accuracy = float((model(batch).argmax(1) == batch.y).float().mean())
    print(f"accuracy on {len(test)} other graphs: {100 * accuracy:.1f} %")
    return accuracy


if __name__ == "__main__":
    main()
