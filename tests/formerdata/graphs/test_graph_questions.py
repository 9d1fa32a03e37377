"""Answers are those of networkx, seen from what a model sees; classes are equal, and each graph is its own."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from functools import cache
from typing import Any

import pytest
import torch
from formerdata.graphs import GraphBatch, PackedGraphs, Splits
from formerdata.graphs import question_graphs as drawing
from formerdata.graphs.graph_questions import graph_questions
from formerdata.graphs.questions import QUESTION_NAMES, QUESTIONS, QuestionName
from formerdata.graphs.random_graphs import FAMILY_NAMES

networkx: Any = pytest.importorskip("networkx")

FIELDS = ("node_starts", "edge_starts", "edge_index", "x", "edge_attr", "y")
BALANCED: list[QuestionName] = [name for name in QUESTION_NAMES if QUESTIONS[name].balanced]


@cache
def asked(question: QuestionName, **options: Any) -> tuple[PackedGraphs, Splits]:
    return graph_questions(question, train=200, valid=40, test=60, **options)


def as_networkx(one: GraphBatch) -> Any:
    graph = networkx.Graph()
    graph.add_nodes_from(range(one.num_nodes))
    weights = [1] * one.num_edges if one.edge_attr is None else one.edge_attr[:, 0].tolist()
    graph.add_weighted_edges_from(
        (*pair, weight) for pair, weight in zip(one.edge_index.T.tolist(), weights, strict=True)
    )
    return graph


def expected(question: str, one: GraphBatch) -> list[float]:
    """The answer, from the graph and its x alone."""
    graph, x = as_networkx(one), one.x.tolist()  # type: ignore[union-attr]
    marked = [node for node, value in enumerate(x) if value == 1]
    nodes, colours = range(len(x)), Counter(x)
    per_node: dict[str, Any] = {
        "node_degree": lambda node: graph.degree(node),
        "colour_counting": lambda node: colours[x[node]],
        "connected_nodes": lambda node: graph.has_edge(marked[0], node),
        "disconnected_nodes": lambda node: node != marked[0] and not graph.has_edge(marked[0], node),
    }
    per_graph: dict[str, Any] = {
        "cycle_check": lambda: bool(networkx.cycle_basis(graph)),
        "triangles": lambda: sum(networkx.triangles(graph).values()) // 3,
        "connectivity": lambda: networkx.has_path(graph, *marked),
        "reachability": lambda: networkx.has_path(graph, *marked),
        "shortest_path": lambda: networkx.shortest_path_length(graph, *marked),
        "connected_graph": lambda: networkx.is_connected(graph),
        "edge_existence": lambda: graph.has_edge(*marked),
        "node_count": lambda: len(x),
        "edge_count": lambda: graph.number_of_edges(),
        "maximum_flow": lambda: networkx.maximum_flow_value(graph, *marked, capacity="weight"),
        "distinct_colours": lambda: len(colours),
        "marked_degree": lambda: graph.degree(marked[0]),
    }
    if question == "colour_counts":
        return [colours[kind] for kind in range(5)]
    return [per_node[question](node) for node in nodes] if question in per_node else [per_graph[question]()]


@pytest.mark.parametrize("question", QUESTION_NAMES)
def test_answers_are_those_of_networkx(question: QuestionName) -> None:
    graphs, _ = asked(question)
    graphs.checked()
    kind = QUESTIONS[question].kind
    assert graphs.y.dtype == (torch.float32 if kind == "number" else torch.int64)  # type: ignore[union-attr]
    assert graphs.y_of == QUESTIONS[question].of
    seen = set()
    for one in graphs:
        answer = one.y.flatten().tolist()  # type: ignore[union-attr]
        assert answer == expected(question, one)
        seen |= set(answer)
    assert len(seen) > 1
    if kind != "number":
        assert max(seen) < QUESTIONS[question].classes(19, 5)


@pytest.mark.parametrize("question", QUESTION_NAMES)
def test_graphs_show_what_the_question_is_about_and_nothing_else(question: QuestionName) -> None:
    graphs, _ = asked(question)
    marks = {"edge_existence": 2, "connected_nodes": 1, "disconnected_nodes": 1, "maximum_flow": 2, "connectivity": 2,
             "reachability": 2, "shortest_path": 2, "marked_degree": 1}  # fmt: skip
    x = graphs.x
    assert x is not None
    if question in ("colour_counting", "distinct_colours", "colour_counts"):
        assert set(x.tolist()) == set(range(5))
    else:
        per_graph = torch.zeros(len(graphs), dtype=torch.int64).index_add_(0, graphs.batch_vector, x)
        assert set(per_graph.tolist()) == {marks.get(question, 0)}
        assert int(x.max()) <= 1
    assert (graphs.edge_attr is not None) == (question == "maximum_flow")
    sizes = graphs.node_starts.diff() // (2 if question == "connectivity" else 1)
    assert set(sizes.tolist()) == set(range(5, 20))


def test_an_edge_carries_as_much_both_ways() -> None:
    graphs, _ = asked("maximum_flow")
    source, target = graphs.global_edge_index
    forth, back = source * graphs.num_nodes + target, target * graphs.num_nodes + source
    assert torch.equal(forth, back.sort().values)
    assert torch.equal(graphs.edge_attr, graphs.edge_attr[back.argsort()])  # type: ignore[index]
    assert set(graphs.edge_attr.flatten().tolist()) == set(range(1, 11))  # type: ignore[union-attr]


@pytest.mark.parametrize("question", BALANCED)
def test_classes_are_equal_in_every_part(question: QuestionName) -> None:
    graphs, splits = asked(question)
    for part in (splits.train, splits.valid, splits.test):
        assert torch.equal(graphs.y[part], torch.arange(len(part)) % 2)  # type: ignore[index]


def test_answers_come_as_they_come_if_not_balanced() -> None:
    assert {name: bool(QUESTIONS[name].balanced) for name in QUESTION_NAMES if QUESTIONS[name].kind == "yes or no"} == {
        "cycle_check": True, "connectivity": True, "reachability": True, "connected_graph": True,
        "edge_existence": True, "connected_nodes": False, "disconnected_nodes": False,
    }  # fmt: skip
    for question, least in (("cycle_check", 0.55), ("reachability", 0.8), ("connected_graph", 0.65)):
        graphs, _ = asked(question, balanced=False)  # type: ignore[arg-type]
        assert least < float(graphs.y.double().mean()) < 0.97  # type: ignore[union-attr]


def test_a_graph_of_connectivity_is_two_copies() -> None:
    for one in asked("connectivity", nodes=(3, 7))[0]:
        graph = as_networkx(one)
        first, second = (int(node) for node in (one.x == 1).nonzero())  # type: ignore[union-attr]
        parts = [graph.subgraph(part) for part in networkx.connected_components(graph)]
        with_first, with_second = (next(part for part in parts if node in part) for node in (first, second))
        # Each part stands there twice, so that the part of the second mark has its twin, or is it.
        assert networkx.is_isomorphic(with_first, with_second)
        alike = sum(networkx.is_isomorphic(with_first, part) for part in parts)
        assert alike % 2 == 0


def test_sizes_and_degrees_tell_nothing_about_connectivity() -> None:
    graphs, _ = graph_questions("connectivity", train=3000, valid=1, test=1)
    degree = torch.bincount(graphs.global_edge_index[0], minlength=graphs.num_nodes).double()
    of_marks = torch.zeros(len(graphs), dtype=torch.float64).index_add_(0, graphs.batch_vector, degree * graphs.x)
    for told in (graphs.node_starts.diff().double(), graphs.edge_starts.diff().double(), of_marks):
        yes, no = told[graphs.y == 1], told[graphs.y == 0]
        error = (yes.var() / len(yes) + no.var() / len(no)).sqrt()
        assert abs(float(yes.mean() - no.mean())) < 4 * float(error)


def test_all_families_are_drawn_with_the_same_chance() -> None:
    for wanted in (("star",), ("complete",), ("path", "star")):
        for one in list(asked("edge_count", families=wanted)[0])[:50]:
            degrees = sorted(degree for _, degree in as_networkx(one).degree())
            n = one.num_nodes
            shapes = {"star": [1] * (n - 1) + [n - 1], "complete": [n - 1] * n, "path": [1, 1] + [2] * (n - 2)}
            assert degrees in [sorted(shapes[name]) for name in wanted]
    complete = sum(one.num_edges == one.num_nodes * (one.num_nodes - 1) for one in asked("node_count")[0]) / 300
    assert complete == pytest.approx(1 / 7 + 0.04, abs=0.07)  # of the others, few are complete by chance


def test_nodes_stand_in_a_random_order() -> None:
    centres = Counter[int]()
    for one in asked("node_degree", families=("star",), nodes=(6, 6))[0]:
        centres[int(one.y.argmax())] += 1  # type: ignore[union-attr]
    assert min(centres[place] for place in range(6)) > 25


@pytest.mark.parametrize("question", ["connectivity", "shortest_path", "colour_counts"])
def test_a_graph_does_not_depend_on_how_many_there_are(question: QuestionName) -> None:
    graphs, _ = asked(question)
    few, _ = graph_questions(question, train=7, valid=3, test=1)
    again = graphs.select([*range(7), 200, 201, 202, 240])
    for name in FIELDS:
        one, other = getattr(few, name), getattr(again, name)
        assert one is other or torch.equal(one, other), name
    assert not torch.equal(graph_questions(question, train=7, valid=3, test=1, seed=1)[0].edge_index, few.edge_index)


def test_parts_and_questions_have_graphs_of_their_own() -> None:
    parts = graph_questions("node_count", train=30, valid=30, test=30)[0]
    sizes = [parts.node_starts.diff()[begin : begin + 30] for begin in (0, 30, 60)]
    sizes.append(graph_questions("edge_count", train=30, valid=1, test=1)[0].node_starts.diff()[:30])
    assert all(not torch.equal(sizes[a], sizes[b]) for a in range(4) for b in range(a))


def test_another_process_draws_the_same() -> None:
    code = """
import hashlib
from formerdata.graphs.graph_questions import graph_questions
graphs, _ = graph_questions("maximum_flow", train=20, valid=1, test=1)
parts = (getattr(graphs, name).numpy().tobytes() for name in ("edge_index", "x", "edge_attr", "y"))
found = hashlib.sha256(b"".join(parts)).hexdigest()
"""
    here: dict[str, Any] = {}
    exec(code, here)
    there = subprocess.run([sys.executable, "-c", f"{code}print(found)"], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here["found"]


def test_graphs_drawn_few_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs, _ = graph_questions("shortest_path", train=40, valid=4, test=4)
    monkeypatch.setattr(drawing, "ENTRIES_AT_ONCE", 700)
    again, _ = graph_questions("shortest_path", train=40, valid=4, test=4)
    assert all(torch.equal(getattr(graphs, name), getattr(again, name)) for name in FIELDS if name != "edge_attr")


@pytest.mark.parametrize("question", QUESTION_NAMES)
def test_smallest_sizes(question: QuestionName) -> None:
    graphs, splits = graph_questions(question, train=1, valid=1, test=1, nodes=(3, 3), colours=1)
    assert graphs.checked().num_nodes == (18 if question == "connectivity" else 9)
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("options", "field", "told"),
    [
        ({"question": "nonsense"}, "question", "cycle_check"),
        ({"families": ("er", "tree")}, "families", "sfn"),
        ({"families": ()}, "families", "at least one"),
        ({"families": "er"}, "families", "a list"),
        ({"nodes": (2, 9)}, "nodes", "from 3"),
        ({"nodes": (9, 5)}, "nodes", "9, 5"),
        ({"nodes": (5, 513)}, "nodes", "to 512"),
        ({"nodes": (5, 6, 7)}, "nodes", "fewest and most"),
        ({"colours": 0}, "colours", "1 to 64"),
        ({"colours": 65}, "colours", "1 to 64"),
        ({"train": 0}, "train", "at least 1"),
        ({"valid": 0}, "valid", "at least 1"),
        ({"test": -1}, "test", "at least 1"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: expected.*{told}"):
        graph_questions(**({"train": 2, "valid": 2, "test": 2} | options))


@pytest.mark.parametrize(
    ("question", "families", "answer"),
    [
        ("cycle_check", ("complete",), "no"),
        ("cycle_check", ("star", "path"), "yes"),
        ("connected_graph", ("ba",), "no"),
    ],
)
def test_answers_that_never_come_are_told(
    question: QuestionName, families: Any, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "MOST_DRAWS", 500)
    with pytest.raises(
        ValueError, match=f"families: expected some graphs with the answer {answer}, got none in .* of "
    ):
        graph_questions(question, train=4, valid=2, test=2, families=families)
    assert len(graph_questions(question, train=4, valid=2, test=2, families=families, balanced=False)[0]) == 8


def test_defaults_are_the_graphs_of_graphqa() -> None:
    defaults = graph_questions.__kwdefaults__
    assert (defaults["train"], defaults["nodes"], defaults["families"]) == (1_000, (5, 19), None)
    assert FAMILY_NAMES == ("er", "ba", "sbm", "sfn", "complete", "star", "path")
