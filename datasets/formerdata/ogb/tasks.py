"""What OGB's folders hold, one dataclass for each kind of task."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from formerdata.graphs import PackedGraphs, Splits
from formerdata.ogb.hetero import HeteroGraph
from formerdata.ogb.links import LinkSplits
from formerdata.ogb.meta import OgbMeta


@dataclass(frozen=True)
class NodeTask:
    """Labels of the nodes of one graph.

    Attributes:
        meta: What is known of the data set.
        graph: One graph: ``x`` [N, F], ``edge_attr`` [E, D], ``y`` [N, tasks] (int64, or float32 with NaN).
        splits: Nodes for training, validation and test.
        node_arrays, edge_arrays: The further arrays by name (``node_year``, ...): [N, ...] and [E, ...].
    """

    meta: OgbMeta
    graph: PackedGraphs
    splits: Splits
    node_arrays: dict[str, Tensor] = field(default_factory=dict)
    edge_arrays: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class LinkTask:
    """Links to be found in one graph, which holds those for training; otherwise as :class:`NodeTask`."""

    meta: OgbMeta
    graph: PackedGraphs
    splits: LinkSplits
    node_arrays: dict[str, Tensor] = field(default_factory=dict)
    edge_arrays: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphTask:
    """Labels of graphs.

    Attributes:
        graphs: ``y`` [G, tasks] (int64, or float32 with NaN), or None where the labels are sequences.
        splits: Graphs for training, validation and test.
        sequences: G lists of words, or None.
        meta, node_arrays, edge_arrays: As in :class:`NodeTask`, the arrays over all graphs.
    """

    meta: OgbMeta
    graphs: PackedGraphs
    splits: Splits
    node_arrays: dict[str, Tensor] = field(default_factory=dict)
    edge_arrays: dict[str, Tensor] = field(default_factory=dict)
    sequences: list[list[str]] | None = None


@dataclass(frozen=True)
class HeteroNodeTask:
    """Labels of the nodes of some types: ``y`` [N, tasks] and splits by type."""

    meta: OgbMeta
    graph: HeteroGraph
    y: dict[str, Tensor]
    splits: dict[str, Splits]


@dataclass(frozen=True)
class HeteroLinkTask:
    """Links to be found between nodes of several types."""

    meta: OgbMeta
    graph: HeteroGraph
    splits: LinkSplits


Task = NodeTask | LinkTask | GraphTask | HeteroNodeTask | HeteroLinkTask
