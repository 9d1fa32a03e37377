"""Dynamic graphs: streams of events."""

from formerdata.temporal.borders import batches, known_events, same_time
from formerdata.temporal.candidates import candidates
from formerdata.temporal.generated import InteractionOracle, Interactions, interactions, true_scores
from formerdata.temporal.negatives import NegativeSampler
from formerdata.temporal.splits import (
    ChronologicalSplit,
    HiddenNodes,
    chronological_split,
    hidden_nodes,
    select_events,
)
from formerdata.temporal.stream import EventStream, sort_events

__all__ = [
    "ChronologicalSplit",
    "EventStream",
    "HiddenNodes",
    "InteractionOracle",
    "Interactions",
    "NegativeSampler",
    "batches",
    "candidates",
    "chronological_split",
    "hidden_nodes",
    "interactions",
    "known_events",
    "same_time",
    "select_events",
    "sort_events",
    "true_scores",
]
