"""Dynamic graphs: what comes next in a stream of events."""

from graphformers.temporal.edgebank import EdgeBank
from graphformers.temporal.evaluation import evaluate_links, evaluate_one_vs_many
from graphformers.temporal.link_quality import LinkQuality, RankQuality, link_quality, rank_quality
from graphformers.temporal.link_scorer import LinkScorer

__all__ = [
    "EdgeBank",
    "LinkQuality",
    "LinkScorer",
    "RankQuality",
    "evaluate_links",
    "evaluate_one_vs_many",
    "link_quality",
    "rank_quality",
]
