"""Batch norm over two processes against one with both parts; a whole run: ``test_loop.py``."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from formerkit.training.batch_norm import DistributedBatchNorm, synchronised
from formerkit.training.fabric import prepare
from formerkit.training.settings import OneCycleTraining

CPU = torch.device("cpu")
CASES: dict[str, tuple[nn.BatchNorm1d | nn.BatchNorm2d, tuple[int, ...]]] = {
    "rows": (nn.BatchNorm1d(3), (9, 3)),
    "map": (nn.BatchNorm2d(2, eps=1e-3, momentum=0.01), (5, 2, 3, 4)),
    "far_from_0": (nn.BatchNorm1d(3), (9, 3)),
    "cumulative": (nn.BatchNorm1d(3, momentum=None), (9, 3)),
    "plain": (nn.BatchNorm1d(3, affine=False), (9, 3)),
    "untracked": (nn.BatchNorm1d(3, track_running_stats=False), (9, 3)),
    "one_has_none": (nn.BatchNorm1d(3), (9, 3)),
}


def inputs(name: str) -> tuple[list[Tensor], list[Tensor]]:
    """Whole batches of two forward passes, and weights of the outputs."""
    g = torch.Generator().manual_seed(sum(map(ord, name)))
    shape = CASES[name][1]
    offset = 300.0 if name == "far_from_0" else 0.0
    made = [[torch.randn(shape, generator=g) for _ in range(2)] for _ in range(2)]
    return [x + offset for x in made[0]], made[1]


def part_of(x: Tensor, name: str, rank: int, world: int) -> Tensor:
    """Uneven parts; in one case all is in the first."""
    return x if world == 1 else x.tensor_split([len(x) if name == "one_has_none" else 3])[rank]


def passed(name: str, rank: int, world: int) -> dict[str, Any]:
    """Outputs and gradients of two accumulated forward passes, the state behind them, and outputs in evaluation."""
    torch.manual_seed(0)
    norm = CASES[name][0]
    nn.init.normal_(norm.weight) if norm.affine else None
    model = synchronised(nn.Sequential(norm), CPU) if world > 1 else nn.Sequential(norm)
    runner = DistributedDataParallel(model) if world > 1 and norm.affine else model
    batches, weights = inputs(name)
    outputs, gradients = [], []
    for i, (whole, weight) in enumerate(zip(batches, weights, strict=True)):
        x = part_of(whole, name, rank, world).clone().requires_grad_()
        last = i == len(batches) - 1
        with runner.no_sync() if isinstance(runner, DistributedDataParallel) and not last else torch.enable_grad():
            y = runner(x)
            # Not linear in y: else the gradient through the statistics would be nearly nothing.
            ((y.sin() * part_of(weight, name, rank, world)).sum() * world).backward()
        outputs.append(y.detach())
        gradients.append(x.grad / world)  # type: ignore[operator]
    model.eval()
    outputs.append(model(part_of(batches[0], name, rank, world)).detach())
    state = {key.removeprefix("0."): value for key, value in model.state_dict().items()}
    own = [parameter.grad for parameter in model.parameters()]
    return {"outputs": outputs, "gradients": gradients, "state": state, "own": own}


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found: dict[str, Any] = {name: passed(name, rank, 2) for name in CASES}
    try:
        DistributedBatchNorm(3)(torch.randn(1 - rank, 3))
    except ValueError as error:
        found["error"] = str(error)
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Of each of two processes."""
    folder: Path = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(_process, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_normalise_as_one(name: str, runs: list[dict[str, Any]]) -> None:
    alone, (first, second) = passed(name, 0, 1), (run[name] for run in runs)
    tolerance = {"rtol": 1e-3, "atol": 2e-4} if name == "far_from_0" else {"rtol": 1e-5, "atol": 1e-5}
    for key in ("outputs", "gradients"):
        for whole, *parts in zip(alone[key], first[key], second[key], strict=True):
            torch.testing.assert_close(torch.cat(parts), whole, **tolerance)
    for run in (first, second):
        assert set(run["state"]) == set(alone["state"])
        for key in ("state", "own"):
            torch.testing.assert_close(run[key], alone[key], **tolerance)


def test_one_value_has_no_variance(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert run["error"] == "expected more than 1 value per channel when training, got 1 in all processes"


def test_one_process_alone_computes_as_torch() -> None:
    plain = nn.BatchNorm1d(3)
    ours = synchronised(nn.Sequential(nn.BatchNorm1d(3)), CPU)
    for training in (True, False):
        x = torch.randn(5, 3)
        assert torch.equal(ours.train(training)(x), plain.train(training)(x))
    with pytest.raises(ValueError, match=r"expected \[N, C, ...\], got \[3\]"):
        ours(torch.randn(3))


class Own(nn.BatchNorm1d):
    """A norm with rules of its own."""


def test_only_plain_norms_are_replaced_and_keep_their_parameters() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3, 1e-3, 0.01).eval()), Own(3))
    state, parameters = model.state_dict(), list(model.parameters())
    for device, kind in ((torch.device("cuda"), nn.SyncBatchNorm), (CPU, DistributedBatchNorm)):
        changed = synchronised(nn.Sequential(*model[:1], nn.Sequential(*model[1]), model[2]), device)
        norm = changed[1][0]
        assert type(norm) is kind
        assert (norm.eps, norm.momentum, norm.training) == (1e-3, 0.01, False)
        assert type(changed[2]) is Own
        assert all(a is b for a, b in zip(changed.parameters(), parameters, strict=True))
        assert list(changed.state_dict()) == list(state)
    assert type(synchronised(nn.BatchNorm2d(3), CPU)) is DistributedBatchNorm


def test_a_run_prepares_its_model_if_it_is_asked_to_and_has_processes() -> None:
    model, settings = nn.Sequential(nn.BatchNorm1d(3)), OneCycleTraining()
    alone, several = (SimpleNamespace(world_size=n, device=CPU) for n in (1, 2))
    assert type(prepare(model, alone, settings)[0]) is nn.BatchNorm1d
    assert type(prepare(model, several, OneCycleTraining(sync_batch_norm=False))[0]) is nn.BatchNorm1d
    assert type(prepare(model, several, settings)[0]) is DistributedBatchNorm
