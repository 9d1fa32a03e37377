"""LargeGT on a graph of a hundred million edges: built, prepared, and trained for some steps, with time and memory.

    python -m benchmarks.large_gt_scale [--nodes N] [--edges E] [--steps S] [--folder DIR]

10,000,000 nodes with 64 features and 100,000,000 edges are drawn, stored in both directions, given context features
over two hops and places of 32 numbers, and LargeGT (K = 20, 512 centroids, batches of 256) makes 200 steps. Each stage
is a process of its own. Its memory is the most that was resident at once (VmHWM): pages of mapped files that it held
are in it. About 7 GB of disk; the folder is removed at the end unless it is named.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from formerdata.store import Communities, community_store

from benchmarks.timing import machine, process_bytes
from formerkit.training.fabric import make_fabric
from graphformers.encodings import EncodingSettings
from graphformers.fitting import fit_task
from graphformers.models import LargeGT
from graphformers.preparation import prepared
from graphformers.settings import GraphTraining
from graphformers.sources import StoredCommunities
from graphformers.tasks import TokenSettings

BATCH = 256
TOKENS = TokenSettings(size=20)
PLACES = EncodingSettings("fast_rp", 32)


def build(folder: Path, graph: Communities, steps: int) -> None:
    community_store(folder / "store", graph)


def prepare(folder: Path, graph: Communities, steps: int) -> None:
    prepared(StoredCommunities(str(folder / "store"), graph).task(), PLACES, TOKENS, None)


def train(folder: Path, graph: Communities, steps: int) -> None:
    task = prepared(StoredCommunities(str(folder / "store"), graph).task(), PLACES, TOKENS, None)
    settings = GraphTraining(
        epochs=1, batch_size=BATCH, lr=1e-3, schedule="constant", accelerator="cpu", checkpoint_every=10_000
    )
    fit_task(
        make_fabric(settings), task, lambda task: LargeGT(64, num_centroids=512, **task.model_arguments), settings,
        folder / "run", seed=0, config={"benchmark": "large_gt_scale"},
    )  # fmt: skip


def _measured(stage: Callable[..., None], arguments: tuple[Any, ...], sender: Any) -> None:
    begin = time.perf_counter()
    stage(*arguments)
    sender.send((time.perf_counter() - begin, process_bytes("VmHWM") / 1e9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000_000)
    parser.add_argument("--edges", type=int, default=100_000_000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    print(machine())
    # Parts are small, so that one epoch has the steps that were asked for and scoring stays short.
    share = arguments.steps * BATCH / arguments.nodes
    graph = Communities(arguments.nodes, arguments.edges, train=share * 1.02, valid=share / 10, test=share / 10)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place:
        folder = arguments.folder or Path(place)
        for stage in (build, prepare, train):
            receiver, sender = spawn.Pipe(False)
            process = spawn.Process(target=_measured, args=(stage, (folder, graph, arguments.steps), sender))
            process.start()
            sender.close()
            seconds, peak = receiver.recv()
            process.join()
            print(f"  {stage.__name__:<8} {seconds:7.1f} s, {peak:5.2f} GB resident at most", flush=True)
        if arguments.folder is None:
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            print(f"  on disk {size / 1e9:.1f} GB")


if __name__ == "__main__":
    main()
