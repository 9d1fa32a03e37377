"""What token sequences say, written out token by token: for tests to compare."""

from __future__ import annotations

import itertools
import random

import torch
from torch import Tensor

from graphformers.tokenizers import Ragged, TokenSequences

Token = tuple[int, tuple[int, ...]]
"""Kind and nodes."""


def lists(ragged: Ragged) -> list[list[int]]:
    """The lists of a ragged one."""
    starts = ragged.starts.tolist()
    return [ragged.values[a:b].tolist() for a, b in itertools.pairwise(starts)]


def sequences(tokens: TokenSequences) -> list[tuple[int, list[Token]]]:
    """Owner and tokens of each sequence, in their order."""
    sets, content, kind = lists(tokens.nodes), tokens.content.tolist(), tokens.kind.tolist()
    starts, owners = tokens.cu_seqlens.tolist(), tokens.owner.tolist()
    read = [(kind[t], tuple(sorted(sets[content[t]]))) for t in range(tokens.num_tokens)]
    return [(owner, read[starts[s] : starts[s + 1]]) for s, owner in enumerate(owners)]


def told(tokens: TokenSequences) -> list[list[tuple[list[Token], int]]]:
    """For each node the sequences and places in them whose outputs tell of it."""
    starts, found = tokens.cu_seqlens.tolist(), sequences(tokens)
    answer: list[list[tuple[list[Token], int]]] = [[] for _ in range(tokens.num_nodes)]
    for row, node in zip(tokens.rows.tolist(), tokens.of_node.tolist(), strict=True):
        sequence = max(s for s in range(len(found)) if starts[s] <= row)
        answer[node].append((found[sequence][1], row - starts[sequence]))
    return [sorted(entries) for entries in answer]


def renamed(entries: list[list[tuple[list[Token], int]]], names: list[int]) -> list[list[tuple[list[Token], int]]]:
    """The same of a graph whose node ``i`` is called ``names[i]``, in the order of these names."""
    answer: list[list[tuple[list[Token], int]]] = [[] for _ in names]
    for node, found in enumerate(entries):
        answer[names[node]] = sorted(
            ([(kind, tuple(sorted(names[n] for n in nodes))) for kind, nodes in sequence], place)
            for sequence, place in found
        )
    return answer


def distances(edge_index: Tensor, num_nodes: int) -> list[list[int]]:
    """Steps between all pairs of nodes, -1 where there is no way; one node and one step at a time."""
    around: list[set[int]] = [set() for _ in range(num_nodes)]
    for u, v in edge_index.T.tolist():
        around[u].add(v)
        around[v].add(u)
    answer = []
    for node in range(num_nodes):
        steps, reached, far = [-1] * num_nodes, {node}, 0
        while reached:
            for other in reached:
                steps[other] = far
            reached = {n for other in reached for n in around[other] if steps[n] == -1}
            far += 1
        answer.append(steps)
    return answer


def shuffled_names(count: int, seed: int) -> list[int]:
    """New names of nodes."""
    names = list(range(count))
    random.Random(seed).shuffle(names)
    return names


def rename_edges(edge_index: Tensor, names: list[int]) -> Tensor:
    """The edges between renamed nodes."""
    return torch.tensor(names, dtype=torch.int64)[edge_index] if edge_index.numel() else edge_index
