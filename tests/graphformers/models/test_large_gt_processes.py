"""Two processes that train LargeGT together against one with both batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, multiprocessing
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from graphformers import LargeGT
from graphformers.layers import Codebook
from graphformers.layers.batch_norm import GlobalBatchNorm
from graphformers.ops.processes import num_processes, rows_of_all, total

STEPS = 20


def batch_of(step: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(step)
    return {
        "tokens": torch.randn(20, 4, 3, 5, generator=g),
        "pe": torch.randn(20, 2, generator=g),
        "y": torch.randint(0, 3, (20,), generator=g),
    }


def trained(rank: int, world: int) -> dict[str, Any]:
    """Losses, the state behind, and what the parts do with rows that processes have unevenly."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    # More centroids than a batch has points, so that some begin late.
    model = LargeGT(6, 3, 5, num_centroids=30, global_channels=4, pe_channels=2, mlp_dropout=0.0, dropout=0.0)
    runner = DistributedDataParallel(model) if world > 1 else model
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-3), []
    for step in range(STEPS):
        part = {name: value.chunk(world)[rank] for name, value in batch_of(step).items()}
        loss = F.cross_entropy(runner(part["tokens"], pe=part["pe"]), part["y"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(total(loss.detach()) / world)
    return {"losses": torch.stack(losses), "state": model.state_dict(), **uneven(rank, world)}


def uneven(rank: int, world: int) -> dict[str, Any]:
    rows = torch.arange(24.0).reshape(8, 3).sin().requires_grad_()
    part = rows if world == 1 else rows.tensor_split([3])[rank]
    norm, codebook = GlobalBatchNorm(3), Codebook(5, 3)
    y = norm(part)
    weights = torch.arange(24.0).reshape(8, 3).cos()
    weights = weights if world == 1 else weights.tensor_split([3])[rank]
    total((y.sin() * weights).sum(0)).square().sum().div(world).backward()
    gradient = total(rows.grad) if rows.grad is not None else None
    codebook.start(part)
    codebook.update(part)
    with torch.no_grad():
        lonely = GlobalBatchNorm(3)(part[:1] if rank == 0 else part[:0])
    return {
        "normalised": rows_of_all(y.detach()), "gradient": gradient, "running": norm.state_dict(),
        "codebook": codebook.state_dict(), "rows": rows_of_all(part.detach()), "lonely": lonely,
        "world": num_processes(),
    }  # fmt: skip


def _process(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(trained(rank, 2), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Of one process alone, and of each of two."""
    folder: Path = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(_process, (str(folder),), nprocs=2)
    return [trained(0, 1), *(torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2))]


def test_losses_and_codebooks_are_the_same(runs: list[dict[str, Any]]) -> None:
    alone, first, second = runs
    assert [run["world"] for run in runs] == [1, 2, 2]
    assert len(alone["losses"].unique()) == STEPS
    for run in (first, second):
        torch.testing.assert_close(run["losses"], alone["losses"], rtol=0, atol=1e-4)
        for name in ("counts", "sums", "mean", "variance", "seen"):
            name = f"global_module.codebook.{name}"
            torch.testing.assert_close(run["state"][name], alone["state"][name], rtol=1e-2, atol=1e-3)
    assert (alone["state"]["global_module.codebook.counts"] > 0).all()


def test_parts_with_rows_unevenly(runs: list[dict[str, Any]]) -> None:
    alone, first, second = runs
    torch.testing.assert_close(first["rows"], alone["rows"])
    for run in (first, second):
        for name in ("normalised", "gradient", "running", "codebook"):
            torch.testing.assert_close(run[name], alone[name], rtol=1e-5, atol=1e-5)
    # One row in all processes: by the running statistics, 0 and 1.
    torch.testing.assert_close(first["lonely"], first["rows"][:1], rtol=1e-4, atol=1e-4)
    assert second["lonely"].shape == (0, 3)
