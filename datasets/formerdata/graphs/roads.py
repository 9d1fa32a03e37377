"""Road graphs in the form in which those of the colour-connectivity task are published."""

from __future__ import annotations

import os

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.edges import both_ways
from formerdata.graphs.tables import read_integers, refuse_rows
from formerkit.io import DataError


def read_roads(path: str | os.PathLike[str]) -> tuple[Tensor, int]:
    """A graph from a text file: a line with the numbers of nodes and edges, then two nodes a line, counted from 1.

    So are ``euroroad.edges`` and ``minnesota.edges`` of Rampášek and Wolf (2021), Hierarchical Graph Neural Nets can
    Capture Long-Range Interactions. (Their code also links Minnesota's two parts; a file is taken as it is.)

    Returns:
        [2, E] int64, edges both ways, each once, by source, without loops; and the number of nodes.

    Raises:
        DataError: If the file is absent or empty, a line does not hold two integers, there are more or fewer edges than
            the first line says, or an edge names an absent node; it names the line.
    """
    table = read_integers(path, delimiter=" ", columns=2)
    nodes, count = table[0].tolist()
    edges = table[1:]
    if nodes < 1 or count != len(edges):
        raise DataError(path, f"{nodes} nodes, {count} edges", line=1, expected=f"nodes, and {len(edges)} edges")
    absent = np.concatenate([[False], ((edges < 1) | (edges > nodes)).any(axis=1)])
    refuse_rows(path, absent, table, f"nodes from 1 to {nodes}")
    return both_ways(torch.from_numpy(edges.T - 1), nodes, loops=False), nodes
