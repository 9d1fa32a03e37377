"""``python -m formerdata.store.generate OUT --num_nodes 1000000 --num_edges 10000000``: a graph of communities on disk.

Options are the fields of :class:`formerdata.store.Communities`. ``--layout ogb`` writes OGB's layout instead, for
graphs that fit in memory. What it will take is printed first, and refused if the disk or ``--memory`` cannot hold it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from formerdata.store.communities import Communities, community_store
from formerdata.store.sizes import estimate


def main(args: list[str] | None = None) -> None:
    """Parse the command line and generate."""
    from jsonargparse import ArgumentParser

    from formerkit.io import FormerkitError

    parser = ArgumentParser(prog="python -m formerdata.store.generate", description=__doc__)
    parser.add_argument("out", type=str, metavar="OUT", help="Folder to write; it must not exist.")
    parser.add_argument("--layout", choices=["store", "ogb"], default="store", help="What to write.")
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float16", help="Of the stored features.")
    parser.add_argument("--memory", type=int, default=2 << 30, help="Most bytes that sorting the edges may take.")
    parser.add_argument("--restart", action="store_true", help="Remove what a killed run has left.")
    parser.add_class_arguments(Communities)
    chosen = vars(parser.parse_args(args))
    out, layout, dtype, memory, restart = (chosen.pop(name) for name in ("out", "layout", "dtype", "memory", "restart"))
    try:
        generate(Path(out), Communities(**chosen), layout, dtype, memory, restart=restart)
    except (FormerkitError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def generate(out: Path, settings: Communities, layout: str, dtype: str, memory: int, *, restart: bool) -> None:
    """Print what it will take, and write it.

    Raises:
        DataError: If the disk or the memory cannot hold it, or ``out`` exists.
    """
    s, begin = settings, time.perf_counter()
    shares = s.train + s.valid + s.test
    takes = estimate(
        s.num_nodes, s.num_edges, s.num_features, dtype, undirected=True, labels="int32",
        split=round(s.num_nodes * shares), memory=memory,
    )  # fmt: skip
    print(takes.check(out, memory=memory), flush=True)
    if layout == "store":
        store = community_store(out, s, dtype=dtype, memory=memory, restart=restart)
        print(
            f"{out}: {store.num_nodes:,} nodes, {store.num_edges:,} entries after {time.perf_counter() - begin:.1f} s"
        )
        return
    from formerdata.ogb import write_task
    from formerdata.store.ogb_store import ogb_task

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        store = community_store(Path(folder) / "graph", s, dtype="float32", memory=memory)
        write_task(out, ogb_task(store, f"ogbn-{s.name}", num_classes=s.topics * s.kinds))
    print(f"{out}: {store.num_nodes:,} nodes, {store.num_edges:,} edges after {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
