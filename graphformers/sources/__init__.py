"""Where graphs come from: each class describes one source, ``task()`` reads it and says what is to be predicted."""

from typing import Protocol

from graphformers.sources.builtin import CSL, Cycles, SBMCluster, SBMPattern
from graphformers.sources.files import TU, GNNBenchmark, Heterophilous, Molecules, Planetoid, ZincLogP
from graphformers.sources.ogb import OGB
from graphformers.tasks import GraphTask

SOURCES = (SBMPattern, SBMCluster, CSL, Cycles, OGB, TU, Planetoid, Heterophilous, GNNBenchmark, Molecules, ZincLogP)


class Source(Protocol):
    """Describes where graphs come from."""

    def task(self) -> GraphTask:
        """Read (or generate) them.

        Raises:
            DataError: If a file is absent or wrong.
        """


__all__ = [
    "CSL",
    "OGB",
    "SOURCES",
    "TU",
    "Cycles",
    "GNNBenchmark",
    "Heterophilous",
    "Molecules",
    "Planetoid",
    "SBMCluster",
    "SBMPattern",
    "Source",
    "ZincLogP",
]
