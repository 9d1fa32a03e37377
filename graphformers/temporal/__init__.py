"""Dynamic graphs: what comes next in a stream of events."""

from graphformers.temporal.edgebank import EdgeBank
from graphformers.temporal.evaluation import (
    evaluate_links,
    evaluate_one_vs_many,
    scored_candidates,
    scored_links,
)
from graphformers.temporal.graph_mixer_like import GraphMixerLike
from graphformers.temporal.link_quality import LinkQuality, RankQuality, candidate_ranks, link_quality, rank_quality
from graphformers.temporal.link_scorer import LinkScorer
from graphformers.temporal.node_class_scorer import NodeClassScorer
from graphformers.temporal.node_classifier import NodeStateClassifier
from graphformers.temporal.tgn_like import TGNLike
from graphformers.temporal.trainable import TrainableLinkScorer

__all__ = [
    "EdgeBank",
    "GraphMixerLike",
    "LinkQuality",
    "LinkScorer",
    "NodeClassScorer",
    "NodeStateClassifier",
    "RankQuality",
    "TGNLike",
    "TrainableLinkScorer",
    "candidate_ranks",
    "evaluate_links",
    "evaluate_one_vs_many",
    "link_quality",
    "rank_quality",
    "scored_candidates",
    "scored_links",
]
