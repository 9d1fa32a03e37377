"""Where graphs come from: each class describes one source, ``task()`` reads it and says what is to be predicted."""

from typing import Protocol

from graphformers.preparation import Found
from graphformers.sources.builtin import CSL, CommunityLinks, Cycles, GraphProperties, SBMCluster, SBMPattern
from graphformers.sources.files import TU, Facebook100, GNNBenchmark, Heterophilous, Molecules, Planetoid, ZincLogP
from graphformers.sources.graph_questions import ColourConnectivity, GraphQuestions, TriangleCounts
from graphformers.sources.ogb import OGB
from graphformers.sources.stored import SnapPatents, StoredCommunities, StoredFiles, StoredOGB
from graphformers.sources.streams import JODIE, DyGLib, EventList, InteractionStream, TGBLinks

SOURCES = (
    SBMPattern, SBMCluster, CSL, Cycles, GraphProperties, CommunityLinks,
    GraphQuestions, TriangleCounts, ColourConnectivity,
    OGB, TU, Planetoid, Heterophilous, GNNBenchmark, Facebook100, Molecules, ZincLogP,
    StoredCommunities, StoredOGB, SnapPatents, StoredFiles,
    InteractionStream, EventList, DyGLib, JODIE, TGBLinks,
)  # fmt: skip


class Source(Protocol):
    """Describes where graphs come from."""

    def task(self) -> Found:
        """Read (or generate) them.

        Raises:
            DataError: If a file is absent or wrong.
        """


__all__ = [
    "CSL",
    "JODIE",
    "OGB",
    "SOURCES",
    "TU",
    "ColourConnectivity",
    "CommunityLinks",
    "Cycles",
    "DyGLib",
    "EventList",
    "Facebook100",
    "GNNBenchmark",
    "GraphProperties",
    "GraphQuestions",
    "Heterophilous",
    "InteractionStream",
    "Molecules",
    "Planetoid",
    "SBMCluster",
    "SBMPattern",
    "SnapPatents",
    "Source",
    "StoredCommunities",
    "StoredFiles",
    "StoredOGB",
    "TGBLinks",
    "TriangleCounts",
    "ZincLogP",
]
