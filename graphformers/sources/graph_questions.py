"""Questions about generated graphs: GraphQA's, colours, triangles and islands, the task suite of GSM++."""

from __future__ import annotations

from dataclasses import dataclass

from formerdata.graphs.questions import QuestionName
from formerdata.graphs.random_graphs import FamilyName
from formerdata.graphs.triangle_counts import Kind

from graphformers.sources.builtin import made
from graphformers.tasks import GraphTask
from graphformers.tasks.metric import ACCURACY, rmse_beside_share


@dataclass(frozen=True)
class GraphQuestions:
    """One question about GraphQA's graphs (Fatemi et al., 2024), or about colours of their nodes.

    Classes are scored by accuracy and learnt by cross entropy; numbers are scored by RMSE, with its share of the
    deviation of labels beside it, and learnt by squared errors.

    Attributes:
        question: See :func:`formerdata.graphs.graph_questions.graph_questions`, also on what is inferred.
        train, valid, test: Graphs of each part. GSM++ learns from 1,000 and from 100,000.
        families: Kinds of graphs; those of the question by default.
        nodes: Fewest and most nodes.
        colours: Colours of nodes, where the question is about them.
        balanced: Draw as many graphs of either answer, where a graph has the answer yes or no.
        data_seed: Names the draw.
    """

    question: QuestionName = "node_degree"
    train: int = 1_000
    valid: int = 500
    test: int = 500
    families: list[FamilyName] | None = None
    nodes: tuple[int, int] = (5, 19)
    colours: int = 5
    balanced: bool = True
    data_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.graph_questions import graph_questions
        from formerdata.graphs.questions import QUESTIONS

        graphs, splits = made(
            graph_questions, question=self.question, train=self.train, valid=self.valid, test=self.test,
            families=self.families, nodes=self.nodes, colours=self.colours, balanced=self.balanced,
            seed=self.data_seed,
        )  # fmt: skip
        asked = QUESTIONS[self.question]
        source = f"built-in question {self.question}, seed {self.data_seed}"
        types = self.colours if asked.shown == "colours" else 2 if asked.marks else 1
        if asked.kind == "number":
            assert graphs.y is not None
            metric, outputs = rmse_beside_share(graphs.y), graphs.y.shape[1]
            return GraphTask(graphs, splits, "mse", metric, outputs, source, node_types=types)
        classes = asked.classes(self.nodes[1], self.colours)
        return GraphTask(graphs, splits, "cross_entropy", ACCURACY, classes, source, node_types=types)


@dataclass(frozen=True)
class TriangleCounts:
    """Triangles of random graphs, by the recipe of Chen et al. (2020), Can Graph Neural Networks Count Substructures?

    Scored by RMSE, as GSM++ has it; beside it stands the published score, the mean squared error over the variance.

    Attributes:
        kind: "erdos_renyi" or "random_regular", the paper's first and second set.
        train, valid, test: Graphs of each part.
        data_seed: Names the draw.
    """

    kind: Kind = "erdos_renyi"
    train: int = 1_500
    valid: int = 1_000
    test: int = 2_500
    data_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.triangle_counts import triangle_counts

        graphs, splits = made(
            triangle_counts, kind=self.kind, train=self.train, valid=self.valid, test=self.test, seed=self.data_seed
        )
        assert graphs.y is not None
        source = f"built-in triangles of {self.kind}, seed {self.data_seed}"
        return GraphTask(graphs, splits, "mse", rmse_beside_share(graphs.y), 1, source, node_types=1)


@dataclass(frozen=True)
class ColourConnectivity:
    """Are the coloured nodes of a grid or a road graph one island or two? By Rampášek and Wolf's recipe (2021).

    Attributes:
        side: Of the square grid; 16 and 32 were published.
        roads: A file in the grid's place: two numbers, of nodes and edges, then two nodes a line, counted from 1.
        train, valid, test: Colourings of each part. Published were 15,000 in all.
        data_seed: Names the draw.
    """

    side: int = 16
    roads: str | None = None
    train: int = 1_000
    valid: int = 500
    test: int = 500
    data_seed: int = 0

    def task(self) -> GraphTask:
        from formerdata.graphs.colour_connectivity import colour_connectivity

        graphs, splits = made(
            colour_connectivity, side=self.side, roads=self.roads, train=self.train, valid=self.valid, test=self.test,
            seed=self.data_seed,
        )  # fmt: skip
        source = f"built-in {graphs.name}{f' ({self.roads})' if self.roads else ''}, seed {self.data_seed}"
        return GraphTask(graphs, splits, "cross_entropy", ACCURACY, 2, source, node_types=2)
