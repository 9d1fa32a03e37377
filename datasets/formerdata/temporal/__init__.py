"""Dynamic graphs: streams of events."""

from formerdata.temporal.borders import batches, known_events, same_time
from formerdata.temporal.candidates import CandidateSampler, candidates
from formerdata.temporal.conditions import ConditionOracle, Conditions, with_conditions
from formerdata.temporal.edge_list import read_edge_list
from formerdata.temporal.generated import InteractionOracle, Interactions, interactions, true_scores
from formerdata.temporal.jodie import read_dyglib, read_jodie, write_dyglib
from formerdata.temporal.negatives import NegativeSampler
from formerdata.temporal.pyg import from_temporal_data, to_temporal_data
from formerdata.temporal.splits import (
    ChronologicalSplit,
    HiddenNodes,
    chronological_split,
    hidden_nodes,
    select_events,
)
from formerdata.temporal.stream import EventStream, sort_events
from formerdata.temporal.tgb import from_tgb, open_tgb, tgb_candidate_table, tgb_candidates

__all__ = [
    "CandidateSampler",
    "ChronologicalSplit",
    "ConditionOracle",
    "Conditions",
    "EventStream",
    "HiddenNodes",
    "InteractionOracle",
    "Interactions",
    "NegativeSampler",
    "batches",
    "candidates",
    "chronological_split",
    "from_temporal_data",
    "from_tgb",
    "hidden_nodes",
    "interactions",
    "known_events",
    "open_tgb",
    "read_dyglib",
    "read_edge_list",
    "read_jodie",
    "same_time",
    "select_events",
    "sort_events",
    "tgb_candidate_table",
    "tgb_candidates",
    "to_temporal_data",
    "true_scores",
    "with_conditions",
    "write_dyglib",
]
