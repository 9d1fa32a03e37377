"""Predictions from tokens: what a batch shows, which draw it is, and the order of predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs import Splits
from formerdata.graphs.csr import csr_graph
from torch import Tensor, nn

from formerkit.io import ConfigError, DataError
from graphformers.samplers import TokenTable
from graphformers.tasks import TokenSettings, TokenTask
from graphformers.tasks.metric import ACCURACY
from graphformers.tasks.token_task import TokenBatch

CPU = torch.device("cpu")
NODES, CLASSES = 40, 3


class Echo(nn.Module):
    """Says the class that a node's own features name, and remembers its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, tokens: Tensor, *, pe: Tensor | None) -> Tensor:
        self.seen.append(tokens)
        return nn.functional.one_hot(tokens[:, 0, 0, 1].long(), CLASSES).float()


def task_of(**changes: Any) -> TokenTask:
    """Each node's features are its number and its class, hop h adds 100 h; places are negative numbers of nodes."""
    g = torch.Generator().manual_seed(0)
    edges = torch.randint(NODES, (2, 400), generator=g)
    y = torch.arange(NODES) % CLASSES
    own = np.stack([np.arange(NODES), y.numpy()], 1).astype(np.float16)
    table = np.stack([own + 100 * hop for hop in range(3)], 1)
    order = torch.randperm(NODES, generator=g)
    splits = Splits(order[:20], order[20:30], order[30:])
    found = TokenTask(
        table, TokenTable(csr_graph(edges, NODES), 6), y, splits, "cross_entropy", ACCURACY, CLASSES, "toy",
        places=-np.arange(NODES, dtype=np.float32)[:, None],
    )  # fmt: skip
    return replace(found, **changes)


def batches(task: TokenTask, **options: Any) -> list[TokenBatch]:
    given = {"seed": 3, "start_step": 0, "rank": 0, "world_size": 1} | options
    return list(task.training_batches(3, 4, 1, **given))


def nodes_of(batch: TokenBatch) -> list[int]:
    return batch.tokens[:, 0, 0, 0].long().tolist()


def test_a_batch_shows_the_features_of_the_drawn_nodes() -> None:
    task = task_of().checked()
    nodes = np.array([7, 0, 39])
    batch = task.batch(nodes)
    rows = task.sampler.rows(nodes)
    assert batch.tokens.dtype == torch.float32
    assert batch.tokens.shape == (3, 6, 3, 2)
    for b, row in enumerate(rows):
        for t, node in enumerate(row):
            for hop in range(3):
                assert batch.tokens[b, t, hop].tolist() == [node + 100 * hop, node % CLASSES + 100 * hop]
    assert batch.pe is not None
    assert batch.pe[:, 0].tolist() == [-7, 0, -39]
    assert batch.y.tolist() == [7 % CLASSES, 0, 0]


def test_training_goes_through_its_part_and_nothing_else() -> None:
    task = task_of()
    seen = [node for batch in batches(task) for node in nodes_of(batch)]
    epochs = [seen[20 * epoch : 20 * epoch + 20] for epoch in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == sorted(task.splits.train.tolist())
    assert epochs[0] != epochs[1]
    both = replace(task, learnt_from=("train", "valid"))
    seen_of_both = {node for batch in batches(both) for node in nodes_of(batch)}
    assert seen_of_both == set(torch.cat([task.splits.train, task.splits.valid]).tolist())
    assert task.steps_per_epoch(4) == 5
    assert both.labels_seen == ("train", "valid")


def test_a_run_goes_on_with_the_batches_that_were_left_and_processes_share_them() -> None:
    task = task_of(resample=True)
    whole = batches(task)
    for one, other in zip(whole[7:], batches(task, start_step=7), strict=True):
        assert torch.equal(one.tokens, other.tokens)
    shares = [list(task.training_batches(3, 2, 1, seed=3, start_step=0, rank=r, world_size=2)) for r in (0, 1)]
    for step, batch in enumerate(whole):
        together = torch.cat([shares[0][step].tokens, shares[1][step].tokens])
        assert sorted(map(repr, together.tolist())) == sorted(map(repr, batch.tokens.tolist()))


@pytest.mark.parametrize("resample", [False, True])
def test_tokens_are_drawn_anew_only_where_asked_for_and_only_in_training(resample: bool) -> None:
    task = task_of(resample=resample)
    draws: dict[int, set[bytes]] = {}
    for batch in batches(task):
        for node, tokens in zip(nodes_of(batch), batch.tokens, strict=True):
            draws.setdefault(node, set()).add(tokens.numpy().tobytes())
    several = sum(len(drawn) > 1 for drawn in draws.values())
    assert several > 15 if resample else several == 0
    model = Echo()
    for _ in range(2):
        task.predictions(task.objective(model), "test", 5, CPU)
    first, second = model.seen[: len(model.seen) // 2], model.seen[len(model.seen) // 2 :]
    assert torch.equal(torch.cat(first), torch.cat(second))


def test_predictions_come_in_the_order_of_the_part() -> None:
    task = task_of()
    targets, predictions = task.predictions(task.objective(Echo()), "valid", 3, CPU)
    assert torch.equal(targets, task.y[task.splits.valid])
    assert torch.equal(predictions.argmax(1), targets)
    assert task.score(task.objective(Echo()), "valid", 3, CPU) == 1.0


def test_the_loss_is_of_known_labels() -> None:
    task = task_of()
    objective = task.objective(Echo())
    batch = task.batch(np.array([1, 2]))
    expected = nn.functional.cross_entropy(torch.eye(CLASSES)[[1, 2]], torch.tensor([1, 2]))
    torch.testing.assert_close(objective(batch)["loss"], expected)


def test_the_data_say_what_the_model_is() -> None:
    expected = {"in_channels": 2, "out_channels": CLASSES, "pe_channels": 1, "hops": 2}
    assert task_of().model_arguments == expected
    assert task_of(places=None).model_arguments["pe_channels"] == 0


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"y": torch.zeros(39, dtype=torch.int64)}, "'y': 39 rows; expected 40 nodes"),
        ({"places": np.zeros((3, 1))}, "'pe': 3 rows; expected 40 nodes"),
        ({"outputs": 2}, "'y': classes from 0 to 2; expected 0 to 1"),
        ({"splits": Splits(*(torch.tensor([i]) for i in (1, 1, 2)))}, "overlap|both|twice"),
        ({"splits": Splits(*(torch.tensor([i]) for i in (1, 40, 2)))}, "40"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        task_of(**changes).checked()


@pytest.mark.parametrize(("name", "value", "least"), [("size", 0, 1), ("hops", -1, 0)])
def test_settings_that_cannot_be_are_refused(name: str, value: int, least: int) -> None:
    with pytest.raises(ConfigError, match=rf"tokens\.{name}: expected at least {least}, got {value}"):
        TokenSettings(**{name: value})
