"""The generated links: parts that are apart, false links that are false, and communities that can be told."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from formerdata.graphs.community_links import community_links

SMALL: dict[str, Any] = {"communities": 5, "size": 8, "inside": 0.5, "between": 0.02, "negatives": 60}


def keys(pairs: torch.Tensor, nodes: int) -> set[int]:
    ordered = pairs.sort(1).values
    return set((ordered[:, 0] * nodes + ordered[:, 1]).tolist())


def test_parts_are_apart_and_the_graph_is_the_training_part() -> None:
    graph, splits = community_links(**SMALL)
    graph.checked()
    splits.checked(40, "links", directed=False)
    train, valid, test = (keys(part.edge, 40) for part in (splits.train, splits.valid, splits.test))
    total = len(train | valid | test)
    assert total == len(splits.train) + len(splits.valid) + len(splits.test)
    assert len(splits.valid) == len(splits.test) == round(0.1 * total)
    assert keys(graph.edge_index.T, 40) == train
    assert graph.num_edges == 2 * len(train)
    false = [keys(part.edge_neg, 40) for part in (splits.valid, splits.test)]
    assert [len(part) for part in false] == [60, 60]
    assert not false[0] & false[1]
    assert not (false[0] | false[1]) & (train | valid | test)


def test_a_draw_has_as_many_edges_as_its_probabilities_say() -> None:
    _, splits = community_links()
    edges = torch.cat([splits.train.edge, splits.valid.edge, splits.test.edge])
    # 20 communities of 300 pairs each; 124,750 pairs in all. The deviation is sqrt(1500 + 591) = 46.
    assert abs(len(edges) - (6_000 * 0.5 + 118_750 * 0.005)) < 200


def test_a_draw_is_a_function_of_its_seed() -> None:
    one, other = (community_links(**SMALL, seed=seed)[0].edge_index for seed in (0, 1))
    assert torch.equal(one, community_links(**SMALL, seed=0)[0].edge_index)
    assert not torch.equal(one[:, :20], other[:, :20])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"communities": 0}, "communities: expected at least 1"),
        ({"negatives": 0}, "negatives: expected at least 1"),
        ({"inside": 1.5}, "inside: expected a number from 0 to 1"),
        ({"valid": 0.0}, "valid, test: leave a part"),
        ({"valid": 0.5, "test": 0.5}, "valid, test: leave a part"),
        ({"inside": 1.0, "between": 1.0}, "leave 0 pairs of nodes without an edge"),
    ],
)
def test_what_cannot_be_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        community_links(**{**SMALL, **changes})
