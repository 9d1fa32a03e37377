"""Tokens that are kept are those that would be drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from formerdata.graphs.csr import csr_graph

from graphformers.samplers import KeptTokens, TokenTable

SAMPLER = TokenTable(csr_graph(torch.randint(30, (2, 200), generator=torch.Generator().manual_seed(0)), 30), 7)


def kept() -> KeptTokens:
    nodes = np.arange(0, 30, 3)
    return KeptTokens(SAMPLER, nodes, SAMPLER.rows(nodes))


@pytest.mark.parametrize("seeds", [[3, 0, 27, 3], [3, 4], [29], []])
@pytest.mark.parametrize("epoch", [0, 2])
def test_rows_are_the_sampler_s(seeds: list[int], epoch: int) -> None:
    nodes = np.array(seeds, np.int64)
    np.testing.assert_array_equal(kept().rows(nodes, epoch=epoch), SAMPLER.rows(nodes, epoch=epoch))


def test_what_is_kept_is_read() -> None:
    tokens = kept()
    marked = KeptTokens(SAMPLER, tokens.nodes, np.zeros_like(tokens.table))
    assert marked.rows(np.array([6, 9])).tolist() == [[0] * 7] * 2
    assert marked.rows(np.array([6, 9]), epoch=1).any()


def test_a_table_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"table: expected \[3, 7\], got \[2, 7\]"):
        KeptTokens(SAMPLER, np.arange(3), SAMPLER.rows(np.arange(2)))
