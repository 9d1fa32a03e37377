"""``python -m formerdata.graphs.generate sbm_cluster OUT --train 1000``: write a built-in data set of graphs to a file.

``formerdata.graphs.storage.load`` reads it again. Options are the arguments of the function that generates the data
set; ``python -m formerdata.graphs.generate NAME --help`` lists them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(args: list[str] | None = None) -> None:
    """Parse the command line, generate and write."""
    from jsonargparse import ArgumentParser

    from formerkit.io import FormerkitError

    parser = ArgumentParser(prog="python -m formerdata.graphs.generate", description=__doc__)
    commands = parser.add_subcommands(dest="name", metavar="NAME")
    functions = _functions()
    for name, function in functions.items():
        options = ArgumentParser(description=(function.__doc__ or "").partition("\n")[0])
        options.add_argument("out", type=str, metavar="OUT", help="File to write, by custom with the ending .npz.")
        options.add_function_arguments(function)
        if name == "graph_properties":
            options.add_argument("--targets", choices=["node", "graph"], default="node", help="Whose targets to keep.")
        commands.add_subcommand(name, options)
    chosen = parser.parse_args(args)
    own = vars(chosen[chosen.name])
    try:
        _write(chosen.name, functions[chosen.name], Path(own.pop("out")), own.pop("targets", "node"), own)
    except (FormerkitError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def _functions() -> dict[str, Callable[..., Any]]:
    from formerdata.graphs.colour_connectivity import colour_connectivity
    from formerdata.graphs.csl import csl
    from formerdata.graphs.cycles import cycles
    from formerdata.graphs.graph_properties import graph_properties
    from formerdata.graphs.graph_questions import graph_questions
    from formerdata.graphs.sbm import sbm_cluster, sbm_pattern
    from formerdata.graphs.triangle_counts import triangle_counts

    functions: tuple[Callable[..., Any], ...] = (
        sbm_cluster, sbm_pattern, csl, cycles, graph_properties, graph_questions, triangle_counts, colour_connectivity,
    )  # fmt: skip
    return {function.__name__: function for function in functions}


def _write(name: str, function: Callable[..., Any], path: Path, targets: str, options: dict[str, Any]) -> None:
    from formerdata.graphs.graph_properties import GraphProperties
    from formerdata.graphs.storage import save

    begin = time.perf_counter()
    print(f"{name}: generating with " + ", ".join(f"{key} {value}" for key, value in options.items()), flush=True)
    made = function(**options)
    if isinstance(made, GraphProperties):
        graphs, splits = (made.nodes if targets == "node" else made.graphs), made.splits
    else:
        graphs, splits = made
    size = f"{len(graphs):,} graphs, {graphs.num_nodes:,} nodes, {graphs.num_edges:,} directed edges"
    print(f"{name}: {size} after {time.perf_counter() - begin:.1f} s", flush=True)
    save(path, graphs, splits)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB after {time.perf_counter() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
