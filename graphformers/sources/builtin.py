"""Data sets that are generated here, by their published recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from formerdata.graphs import PackedGraphs, Splits

from formerkit.io import ConfigError
from graphformers.tasks import GraphTask
from graphformers.tasks.metric import WEIGHTED_ACCURACY

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


def _communities(name: str, generate: Generate, source: SBMPattern | SBMCluster, classes: int, types: int) -> GraphTask:
    try:
        graphs, splits = generate(train=source.train, valid=source.valid, test=source.test, seed=source.data_seed)
    except ValueError as error:
        raise ConfigError(f"data: {error}") from error
    return GraphTask(
        graphs, splits, "balanced_cross_entropy", WEIGHTED_ACCURACY, classes,
        f"built-in {name}, seed {source.data_seed}", node_types=types,
    )  # fmt: skip
