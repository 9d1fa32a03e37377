"""Our encodings as PyTorch Geometric transforms of a data set: ``python examples/transforms_in_a_dataset.py``.

As ``pre_transform`` they are computed once and kept on disk with the processed data. Signs of eigenvectors are not
drawn there (PyTorch Geometric's own transform draws them once, for good): an encoder flips them in each training step.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import Compose

from graphformers import LaplacianPE, RandomWalkSE
from graphformers.encodings import LinearEncoder


class Paths(InMemoryDataset):
    """Paths of one to ten nodes."""

    def __init__(self, root: str | Path, pre_transform: object) -> None:
        super().__init__(str(root), pre_transform=pre_transform)
        self.load(self.processed_paths[0])

    @property
    def processed_file_names(self) -> list[str]:
        return ["paths.pt"]

    def process(self) -> None:
        graphs = []
        for nodes in range(1, 11):
            forward = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
            graphs.append(Data(edge_index=torch.cat([forward, forward.flip(0)], dim=1), num_nodes=nodes))
        self.save([self.pre_transform(graph) for graph in graphs], self.processed_paths[0])


def main() -> torch.Tensor:
    """Print and return the channels that an encoder makes of the places of a batch's nodes."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(folder, Compose([LaplacianPE(4), RandomWalkSE(6, attr_name="walks")]))
        batch = next(iter(DataLoader(paths, batch_size=10)))
    # Graphs of fewer than five nodes have fewer than four eigenvectors: what is missing is zero, and stays so.
    channels = LinearEncoder(4, 8)(batch.pe, batch.eigenvalues, batch.batch)
    print(f"{batch.num_graphs} graphs: places {list(channels.shape)}, walks {list(batch.walks.shape)}")
    return channels


if __name__ == "__main__":
    main()
