"""Data sets that are generated here, by their published recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import torch
from formerdata.graphs import PackedGraphs, Splits

from formerkit.io import ConfigError, DataError
from graphformers.tasks import GraphTask, LinkSettings, LinkTask
from graphformers.tasks.link_metric import link_metric
from graphformers.tasks.metric import ACCURACY, WEIGHTED_ACCURACY, log_mse_of

Generate = Callable[..., tuple[PackedGraphs, Splits]]
Made = TypeVar("Made")


@dataclass(frozen=True)
class SBMPattern:
    """PATTERN: which nodes belong to a planted pattern; a new draw of the published recipe.

    Attributes:
        train, valid, test: Graphs of each part.
        data_seed: Names the draw.
    """

    train: int = 10_000
    valid: int = 2_000
    test: int = 2_000
    data_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.sbm import sbm_pattern

        return _communities("PATTERN", sbm_pattern, self, classes=2, types=3)


@dataclass(frozen=True)
class SBMCluster:
    """CLUSTER: to which of six communities each node belongs; a new draw of the published recipe.

    Attributes:
        train, valid, test: Graphs of each part.
        data_seed: Names the draw.
    """

    train: int = 10_000
    valid: int = 1_000
    test: int = 1_000
    data_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.sbm import sbm_cluster

        return _communities("CLUSTER", sbm_cluster, self, classes=6, types=7)


@dataclass(frozen=True)
class CSL:
    """CSL: to which of ten classes a circular graph with skip links belongs; hopeless without positional encodings.

    Attributes:
        fold: 0 to 4, of the five-fold cross-validation.
        data_seed: Names the orders of nodes and the folds.
    """

    fold: int = 0
    data_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.csl import csl

        graphs, splits = made(csl, fold=self.fold, seed=self.data_seed)
        source = f"built-in CSL, fold {self.fold}, seed {self.data_seed}"
        return GraphTask(graphs, splits, "cross_entropy", ACCURACY, 10, source, node_types=1)


@dataclass(frozen=True)
class Cycles:
    """Whether a graph has a cycle of six nodes; made here, not the published set of that name.

    Attributes:
        train, valid, test: Graphs of each part.
        data_seed: Names the draw.
    """

    train: int = 9_000
    valid: int = 1_000
    test: int = 10_000
    data_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.cycles import cycles

        graphs, splits = made(cycles, train=self.train, valid=self.valid, test=self.test, seed=self.data_seed)
        source = f"built-in cycles, seed {self.data_seed}"
        return GraphTask(graphs, splits, "cross_entropy", ACCURACY, 2, source, node_types=1)


@dataclass(frozen=True)
class GraphProperties:
    """The multi-task suite of PNA (Corso et al., 2020), by its published recipe: three properties, predicted together.

    A model has one readout: it predicts those of nodes or those of graphs, where the paper's predict both at once.

    Attributes:
        predict: "nodes": steps from a marked node, to the farthest one, and the features' Laplacian. "graphs": whether
            connected, diameter, spectral radius.
        train, valid, test: Graphs of each part.
        data_seed: Names the draw.
    """

    predict: Literal["nodes", "graphs"] = "nodes"
    train: int = 5_120
    valid: int = 640
    test: int = 1_280
    data_seed: int = 1234

    def task(self) -> GraphTask:
        from formerdata.graphs.graph_properties import graph_properties

        if self.predict not in PROPERTIES:
            raise ConfigError(f"data.predict: expected 'nodes' or 'graphs', got {self.predict!r}")
        found = made(graph_properties, train=self.train, valid=self.valid, test=self.test, seed=self.data_seed)
        graphs = found.nodes if self.predict == "nodes" else found.graphs
        source = f"built-in properties of {self.predict}, seed {self.data_seed}"
        return GraphTask(graphs, found.splits, "mse", log_mse_of(*PROPERTIES[self.predict]), 3, source)


PROPERTIES = {
    "nodes": ("steps from the source", "eccentricity", "Laplacian of features"),
    "graphs": ("connected", "diameter", "spectral radius"),
}


@dataclass(frozen=True)
class CommunityLinks:
    """Hidden edges of a generated graph of communities; a node's number is its type, so each has an embedding.

    Links are told from pairs that are no edges; the score is the share of links above the 50th best of these.

    Attributes:
        communities, size: Their number, and nodes of each.
        inside, between: Probability of an edge between two nodes of one community, and of two.
        valid, test: Shares of the edges that are hidden.
        negatives: Pairs that are no edges, for validation and for the test each.
        data_seed: Names the draw.
        links: How links are learnt.
    """

    communities: int = 20
    size: int = 25
    inside: float = 0.5
    between: float = 0.005
    valid: float = 0.1
    test: float = 0.1
    negatives: int = 1000
    data_seed: int = 0
    links: LinkSettings = field(default_factory=LinkSettings)

    def task(self) -> LinkTask:
        from formerdata.graphs.community_links import community_links

        graph, splits = made(
            community_links,
            communities=self.communities, size=self.size, inside=self.inside, between=self.between,
            valid=self.valid, test=self.test, negatives=self.negatives, seed=self.data_seed,
        )  # fmt: skip
        graph = replace(graph, x=torch.arange(graph.num_nodes))
        return LinkTask(
            graph, splits, link_metric("hits@50"), f"built-in links of communities, seed {self.data_seed}",
            settings=self.links, node_types=graph.num_nodes,
        )  # fmt: skip


def _communities(name: str, generate: Generate, source: SBMPattern | SBMCluster, classes: int, types: int) -> GraphTask:
    sizes = {"train": source.train, "valid": source.valid, "test": source.test}
    graphs, splits = made(generate, **sizes, seed=source.data_seed)
    return GraphTask(
        graphs, splits, "balanced_cross_entropy", WEIGHTED_ACCURACY, classes,
        f"built-in {name}, seed {source.data_seed}", node_types=types,
    )  # fmt: skip


def made(generate: Callable[..., Made], **arguments: Any) -> Made:
    """What ``generate`` makes of the arguments.

    Raises:
        DataError: Of a file.
        ConfigError: If there cannot be such a data set; it names the argument.
    """
    try:
        return generate(**arguments)
    except DataError:
        raise
    except ValueError as error:
        raise ConfigError(f"data: {error}") from error
