"""Splits are functions of their arguments; every part has what was asked for."""

from __future__ import annotations

import pytest
import torch
from formerdata.graphs.splits import random_split, split_from_masks, split_per_class
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError


@settings(deadline=None, max_examples=20)
@given(count=st.integers(10, 300), seed=st.integers(0, 99))
def test_a_random_split_has_everything_once(count: int, seed: int) -> None:
    split = random_split(count, seed)
    assert torch.cat([split.train, split.valid, split.test]).sort().values.tolist() == list(range(count))
    assert (len(split.train), len(split.valid)) == (count * 8 // 10, count // 10)
    again, other = random_split(count, seed), random_split(count, seed + 1)
    assert torch.equal(split.train, again.train)
    assert not torch.equal(split.train, other.train) or not torch.equal(split.test, other.test)


def test_a_random_split_is_the_same_everywhere() -> None:
    split = random_split(30, 7)
    assert (split.valid.tolist(), split.test.tolist()) == ([6, 16, 18], [19, 21, 29])


def test_rounding_errors_of_fractions_cost_no_graph() -> None:
    split = random_split(100, 0, (0.29, 0.58, 0.13))  # 0.29 * 100 is a little less than 29
    assert [len(part) for part in (split.train, split.valid, split.test)] == [29, 58, 13]


@pytest.mark.parametrize("fractions", [(0.8, 0.2, 0.2), (0.8, 0.2, 0.0), (1.2, -0.1, -0.1)])
def test_fractions_are_checked(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="fractions"):
        random_split(100, 0, fractions)


def test_too_few_for_a_split() -> None:
    with pytest.raises(DataError, match=r"split valid.*empty"):
        random_split(5, 0)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), sizes=st.lists(st.integers(6, 20), min_size=1, max_size=4))
def test_each_class_gives_as_many(seed: int, sizes: list[int]) -> None:
    y = torch.repeat_interleave(torch.arange(-1, len(sizes)), torch.tensor([3, *sizes]))
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))]
    split = split_per_class(y, seed, train=2, valid=3)
    assert y[split.train].bincount().tolist() == [2] * len(sizes)
    assert y[split.valid].bincount().tolist() == [3] * len(sizes)
    assert y[split.test].bincount().tolist() == [size - 5 for size in sizes]
    assert torch.equal(split.test, split_per_class(y, seed, train=2, valid=3).test)


def test_draws_of_a_class_differ_by_seed() -> None:
    y = torch.zeros(200, dtype=torch.int64)
    assert not torch.equal(split_per_class(y, 0).train, split_per_class(y, 1).train)


def test_small_classes_are_named() -> None:
    with pytest.raises(ValueError, match="class 1 has 50 nodes, expected more than 50"):
        split_per_class(torch.tensor([0] * 60 + [1] * 50), 0)
    with pytest.raises(ValueError, match=r"y: expected \[N\] integers"):
        split_per_class(torch.zeros(60), 0)


def test_masks() -> None:
    train, valid = torch.tensor([True, False, False]), torch.tensor([False, True, False])
    split = split_from_masks("file", train, valid, ~(train | valid))
    assert [part.tolist() for part in (split.train, split.valid, split.test)] == [[0], [1], [2]]
    with pytest.raises(DataError, match=r"file.*another part"):
        split_from_masks("file", train, valid, ~train)
