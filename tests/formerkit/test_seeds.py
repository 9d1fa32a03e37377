"""Randomness depends on (seed, key) and on nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from formerkit.seeds import generator, torch_generator, torch_seed

keys = st.lists(st.integers(-(2**63), 2**63) | st.text(max_size=8), max_size=4).map(tuple)


@given(st.integers(0, 2**40), keys, keys)
def test_equal_keys_agree_and_others_differ(seed: int, one: tuple, other: tuple) -> None:
    first = generator(seed, *one).integers(0, 2**62, 4)
    assert np.array_equal(first, generator(seed, *one).integers(0, 2**62, 4))
    assert np.array_equal(first, generator(seed, *other).integers(0, 2**62, 4)) == (one == other)


def test_types_and_grouping_of_key_parts_matter() -> None:
    seeds = {torch_seed(0, 1), torch_seed(0, "1"), torch_seed(0, "ab"), torch_seed(0, "a", "b"), torch_seed(1)}
    assert len(seeds) == 5


def test_values_stay_the_same_across_releases() -> None:
    """A change here would change every published run."""
    assert generator(0, "a").random() == 0.4596863093938689
    assert torch_generator(0, "a").initial_seed() == torch_seed(0, "a")
