"""Data sets that are generated here, by their published recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from formerdata.graphs import PackedGraphs, Splits

from formerkit.io import ConfigError
from graphformers.tasks import GraphTask
from graphformers.tasks.metric import ACCURACY, WEIGHTED_ACCURACY

Generate = Callable[..., tuple[PackedGraphs, Splits]]


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

        graphs, splits = _made(csl, fold=self.fold, seed=self.data_seed)
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

        graphs, splits = _made(cycles, train=self.train, valid=self.valid, test=self.test, seed=self.data_seed)
        source = f"built-in cycles, seed {self.data_seed}"
        return GraphTask(graphs, splits, "cross_entropy", ACCURACY, 2, source, node_types=1)


def _communities(name: str, generate: Generate, source: SBMPattern | SBMCluster, classes: int, types: int) -> GraphTask:
    sizes = {"train": source.train, "valid": source.valid, "test": source.test}
    graphs, splits = _made(generate, **sizes, seed=source.data_seed)
    return GraphTask(
        graphs, splits, "balanced_cross_entropy", WEIGHTED_ACCURACY, classes,
        f"built-in {name}, seed {source.data_seed}", node_types=types,
    )  # fmt: skip


def _made(generate: Generate, **arguments: int) -> tuple[PackedGraphs, Splits]:
    try:
        return generate(**arguments)
    except ValueError as error:
        raise ConfigError(f"data: {error}") from error
