"""Questions about small random graphs: GraphQA's, as targets of nodes or graphs, and counting colours.

The graphs are those of Fatemi, Halcrow and Perozzi (2024), Talk like a Graph. Behrouz et al. (2025), Best of Both
Worlds (GSM++, arXiv 2411.15671) put six of these questions to sequence models on graphs. Their code, and the sizes of
their graphs, are not public: what is inferred here is said below, and in docs/graph_sequences.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from formerdata.graphs.packed import PackedGraphs, Splits
from formerdata.graphs.question_graphs import AskedGraph, Recipe, answered
from formerdata.graphs.questions import QUESTIONS, Question, QuestionName
from formerdata.graphs.random_graphs import FAMILIES, FEWEST_NODES, FamilyName
from formerdata.graphs.runs import starts_of
from formerdata.graphs.splits import consecutive
from formerkit.seeds import generator

MOST_NODES = 512
MOST_COLOURS = 64


def graph_questions(
    question: QuestionName = "node_degree",
    *,
    train: int = 1_000,
    valid: int = 500,
    test: int = 500,
    families: Sequence[FamilyName] | None = None,
    nodes: tuple[int, int] = (5, 19),
    colours: int = 5,
    balanced: bool = True,
    seed: int = 0,
) -> tuple[PackedGraphs, Splits]:
    """Graphs of GraphQA's families, and the answers to one question about each.

    The family is drawn first, each with the same chance, then the number of nodes, then the graph; its nodes stand in
    a random order. Graph ``i`` of a split depends on ``seed``, the question, the split and ``i`` alone.

    ====================== ====== ========== ======================================================================
    question               of     ``y``      answer
    ====================== ====== ========== ======================================================================
    ``node_degree``        nodes  class      neighbours of each node
    ``cycle_check``        graphs yes or no  is there a cycle?
    ``triangles``          graphs number     triangles
    ``connectivity``       graphs yes or no  is there a path between two marked nodes? Each graph stands there twice
    ``colour_counting``    nodes  class      how many nodes have the node's colour, itself among them
    ``shortest_path``      graphs number     steps between two marked nodes; pairs without a path are not asked
    ``reachability``       graphs yes or no  is there a path between two marked nodes?
    ``connected_graph``    graphs yes or no  is there a path between any two nodes?
    ``edge_existence``     graphs yes or no  are two marked nodes linked?
    ``connected_nodes``    nodes  yes or no  is the node linked to the marked one?
    ``disconnected_nodes`` nodes  yes or no  is it neither the marked one nor linked to it?
    ``node_count``         graphs number     nodes
    ``edge_count``         graphs number     undirected edges
    ``maximum_flow``       graphs number     between two marked nodes; edges carry 1 to 10, one way or the other
    ``distinct_colours``   graphs class      colours that occur
    ``colour_counts``      graphs numbers    nodes of each colour, 0 included
    ``marked_degree``      graphs class      neighbours of the one marked node
    ====================== ====== ========== ======================================================================

    The first six are GSM++'s, in forms that are inferred: the paper's text has been seen in excerpts only. Degrees are
    asked of all nodes, or, as in GraphQA, of one (``marked_degree``). Connectivity is of two nodes. Colour counting is
    asked of each node: the paper proves that a recurrent model can count the nodes of each colour if it is as wide as
    there are colours, and that softmax attention alone cannot, which sees their shares. All numbers below are inferred
    too.

    In ``reachability``, which is GraphQA's, the numbers of nodes and edges tell nine answers of ten: graphs that fall
    apart have few edges. In ``connectivity`` they tell nothing: a graph and a copy of it lie side by side, and marked
    are two nodes that have a path between them in the graph, or the first of them and the copy of the second.

    Args:
        question: Which.
        train: Training graphs. The paper has 1,000 and 100,000 (10,000 of ``shortest_path``).
        valid: Validation graphs.
        test: Test graphs.
        families: To draw from: ``er``, ``ba``, ``sbm``, ``sfn``, ``complete``, ``star``, ``path``. By default all of
            them, but ``er`` and ``sbm`` for ``reachability`` and ``connected_graph``: all others are connected.
        nodes: Fewest and most nodes; GraphQA has 5 to 19. ``connectivity`` has twice as many.
        colours: Colours, each node's uniformly drawn.
        balanced: Draw graphs again until, of questions of graphs with yes or no for an answer, graph ``i`` is a yes if
            ``i`` is odd; so the classes are equal, where GraphQA takes the answers as they come.
        seed: Names the data set.

    Returns:
        Graphs, with ``x`` [N] int64: colours, or 1 at marked nodes and 0 elsewhere; ``edge_attr`` [E, 1] float32,
        capacities, for ``maximum_flow`` alone; ``y`` int64 [N] or [G], or float32 [G, 1] or [G, colours]; edges both
        ways, by source. And the splits, one after another.

    Raises:
        ValueError: If a split has no graph, there is no such question or family, ``nodes`` or ``colours`` is out of
            range, or the families never give one of the answers.
    """
    splits = consecutive(train=train, valid=valid, test=test)
    _check(question, families, nodes, colours)
    asked = QUESTIONS[question]
    recipe = Recipe(asked, tuple(families or asked.families), nodes, colours)
    keys = [(split, number) for split, count in zip(("train", "valid", "test"), (train, valid, test), strict=True)
            for number in range(count)]  # fmt: skip
    wanted = [number % 2 if balanced and asked.balanced else None for _, number in keys]
    rngs = [generator(seed, "graph_questions", question, *key) for key in keys]
    return _packed(answered(recipe, rngs, wanted), asked, question), splits


def _check(question: str, families: Sequence[str] | None, nodes: tuple[int, int], colours: int) -> None:
    if question not in QUESTIONS:
        raise ValueError(f"question: expected one of {', '.join(QUESTIONS)}, got {question!r}")
    if families is not None and (isinstance(families, str) or not families):
        raise ValueError(f"families: expected a list of at least one of {', '.join(FAMILIES)}, got {families!r}")
    for family in families or ():
        if family not in FAMILIES:
            raise ValueError(f"families: expected some of {', '.join(FAMILIES)}, got {family!r}")
    if len(nodes) != 2 or not FEWEST_NODES <= nodes[0] <= nodes[1] <= MOST_NODES:
        raise ValueError(f"nodes: expected fewest and most, from {FEWEST_NODES} to {MOST_NODES}, got {tuple(nodes)}")
    if not 1 <= colours <= MOST_COLOURS:
        raise ValueError(f"colours: expected 1 to {MOST_COLOURS}, got {colours}")


def _packed(graphs: list[AskedGraph], asked: Question, name: str) -> PackedGraphs:
    ends = [np.nonzero(graph.adjacency) for graph in graphs]
    edge_index = torch.from_numpy(np.concatenate([np.stack(pair) for pair in ends], axis=1))
    node_starts = starts_of(torch.tensor([len(graph.adjacency) for graph in graphs]))
    edge_starts = starts_of(torch.tensor([len(pair[0]) for pair in ends]))
    edge_attr = None
    if asked.shown == "capacities":
        carried = np.concatenate([graph.capacity[pair] for graph, pair in zip(graphs, ends, strict=True)])
        edge_attr = torch.from_numpy(carried.astype(np.float32))[:, None]
    answers = [graph.answer for graph in graphs if graph.answer is not None]
    y = torch.cat([answer.reshape(1, -1) if asked.of == "graph" else answer for answer in answers])
    y = y.to(torch.float32) if asked.kind == "number" else y.to(torch.int64)
    if asked.of == "graph" and asked.kind != "number":
        y = y[:, 0]
    x = torch.from_numpy(np.concatenate([_shown(graph, asked) for graph in graphs]))
    return PackedGraphs(
        node_starts, edge_starts, edge_index, x=x, edge_attr=edge_attr, y=y, y_of=asked.of, name=f"questions {name}"
    )


def _shown(graph: AskedGraph, asked: Question) -> np.ndarray:
    if asked.shown == "colours":
        return graph.colours
    x = np.zeros(len(graph.adjacency), np.int64)
    x[graph.marked[: asked.marks]] = 1
    return x
