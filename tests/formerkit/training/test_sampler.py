"""The order of samples: whole, resumable, shared among processes."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formerkit.training.sampler import RunSampler


@given(
    length=st.integers(1, 40), epochs=st.integers(1, 4), per_step=st.integers(1, 6), seed=st.integers(0, 99),
    data=st.data(),
)  # fmt: skip
def test_a_resumed_order_is_the_rest_of_the_whole(length, epochs, per_step, seed, data) -> None:
    if length < per_step:
        return
    whole = RunSampler(length, epochs, per_step, seed=seed)
    order = list(whole)
    assert len(order) == len(whole) == whole.total_steps * per_step
    start = data.draw(st.integers(0, whole.total_steps))
    rest = RunSampler(length, epochs, per_step, seed=seed, start_step=start)
    assert list(rest) == order[start * per_step :]
    assert len(rest) == len(order) - start * per_step


@given(length=st.integers(4, 40), seed=st.integers(0, 99))
def test_an_epoch_has_each_sample_once(length, seed) -> None:
    order = list(RunSampler(length, 3, 1, seed=seed))
    for epoch in range(3):
        assert sorted(index for e, index in order if e == epoch) == list(range(length))


def test_epochs_and_seeds_differ() -> None:
    order = list(RunSampler(50, 2, 1, seed=0))
    assert [i for e, i in order if e == 0] != [i for e, i in order if e == 1]
    assert order != list(RunSampler(50, 2, 1, seed=1))


def test_processes_share_each_step() -> None:
    whole = list(RunSampler(20, 2, 4, seed=5))
    shares = [list(RunSampler(20, 2, 4, seed=5, rank=rank, world_size=2)) for rank in range(2)]
    sampler = RunSampler(20, 2, 4, seed=5, start_step=3, rank=1, world_size=2)
    assert len(sampler) == len(list(sampler)) == 14
    steps = range(len(whole) // 4)
    together = [sorted(chain(*(share[2 * s : 2 * s + 2] for share in shares))) for s in steps]
    assert together == [sorted(whole[4 * s : 4 * s + 4]) for s in steps]


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="3 samples do not fill one step of 4"):
        RunSampler(3, 1, 4, seed=0)
    with pytest.raises(ValueError, match="cannot be shared among 2"):
        RunSampler(9, 1, 3, seed=0, world_size=2)


def test_batches_are_the_indices_some_at_a_time() -> None:
    sampler = RunSampler(10, 2, 4, seed=0)
    parts = list(sampler.batches(2))
    assert all(len(part) == 2 for part in parts)
    assert [index for part in parts for index in part] == [index for _, index in sampler]
