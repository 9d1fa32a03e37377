"""Compiled draws of a graph of communities: each edge and each node is a hash of the seed and its own number.

Nodes have a *rank*, by which a community is a range and its first nodes have most links, and a *name*, under which they
are known outside: ``name = (step * rank + shift) mod N``, a permutation since ``step`` and N have no common factor.
Two nodes of a community that follow each other are a *pair*: equally likely to be linked, of opposite sides and noise.
"""

from __future__ import annotations

import numba
import numpy as np

from formerdata.graphs.sbm_kernels import number, uniform

DRAWS = 8
"""Numbers of a stream that one edge may use."""
_ONE, _11, _16, _32, _48 = np.uint64(1), np.uint64(11), np.uint64(16), np.uint64(32), np.uint64(48)
_LOW, _63 = np.uint64(0xFFFF), np.uint64(63)
# The sum of four numbers of 16 bits has this mean, and this deviation: 65536 / sqrt(3).
_MEAN, _DEVIATION = 2.0 * 65535.0, 37837.22774


@numba.njit(cache=True, nogil=True)
def first_rank(group, groups, count):
    """Where group ``group`` begins if ``count`` things are cut into ``groups`` runs that differ by one at most."""
    return (group * count + groups - 1) // groups


@numba.njit(cache=True, nogil=True)
def member(community, starts, skew, draw):
    """A rank of the community, by a number of 64 bits.

    The density of the pair at place t is proportional to t ** (1 / skew - 1); its two nodes are equally likely.
    """
    start = starts[community]
    size = starts[community + 1] - start
    part = np.float64(draw >> _11) * 2.0**-53
    share = part
    for _ in range(skew - 1):
        share *= part  # a power by products: the same on every machine
    return start + min(2 * np.int64(share * ((size + 1) // 2)) + np.int64(draw & _ONE), size - 1)


@numba.njit(cache=True, nogil=True)
def draw_edges(first, last, key, offset, starts, region_of, regions, inside, near, skew, step, shift, edges):
    """Write edges ``offset + first`` to ``offset + last`` to columns ``first`` to ``last`` of ``edges`` [2, n] int64.

    Args:
        key: uint64, names the graph.
        starts: [communities + 1] int64, the rank at which each community begins.
        region_of: [communities] int64. regions: [regions + 1] int64, the community at which each region begins.
        inside: Probability that an edge stays in its community. near: That it goes to another one of its region, where
            the same may come out by chance. Otherwise it goes anywhere.
        skew: 1 for equal degrees; see ``member``.
        step, shift: Of the names.
    """
    communities, num_nodes = len(region_of), starts[-1]
    for column in range(first, last):
        k = DRAWS * (offset + column)
        community = np.int64(uniform(key, k) * communities)
        source = member(community, starts, skew, number(key, k + 1))
        choice, place = uniform(key, k + 2), uniform(key, k + 3)
        if choice >= inside + near:
            community = np.int64(place * communities)
        elif choice >= inside:
            start = regions[region_of[community]]
            community = start + np.int64(place * (regions[region_of[community] + 1] - start))
        target = member(community, starts, skew, number(key, k + 4))
        edges[0, column] = (step * source + shift) % num_nodes
        edges[1, column] = (step * target + shift) % num_nodes


@numba.njit(cache=True, nogil=True)
def node_groups(
    first, last, key, offset, num_nodes, communities, regions, topics, kinds, back, shift, topic, kind, side, pair
):
    """Write the groups of nodes ``offset + first`` to ``offset + last``.

    Args:
        topics: Their number. kinds: [regions] the kind of each.
        back: The inverse of ``step`` modulo N, so that ``rank = back * (name - shift) mod N``.
        topic, kind, side: [n] uint8, written; side is 0 or 1, and the other one for the other node of its pair.
        pair: [n] int64, written: 2 times a number of the pair, and 1 more for its second node.
    """
    for row in range(first, last):
        name = offset + row
        rank = back * ((name - shift) % num_nodes) % num_nodes
        community = rank * communities // num_nodes
        region = community * regions // communities
        topic[row] = (community - first_rank(region, regions, communities)) % topics
        kind[row] = kinds[region]
        second = (rank - first_rank(community, communities, num_nodes)) & 1
        pair[row] = 2 * (rank - second) + second
        side[row] = (number(key, rank - second) >> _63) ^ np.uint64(second)


@numba.njit(cache=True, nogil=True)
def draw_features(first, last, key, means, topic, kind, side, pair, x):
    """Write ``x`` [n, D] float32: the mean of the node's groups and a number from a bell curve for each feature.

    The bell curve is a sum of four uniform numbers of 16 bits: variance 1, nothing beyond 3.5. The second node of a
    pair gets the first one's numbers with the other sign.

    Args:
        means: [topics, kinds, 2, D] float32.
    """
    columns = x.shape[1]
    for row in range(first, last):
        mean = means[topic[row], kind[row], side[row]]
        base = (pair[row] >> 1) * columns
        scale = (1 - 2 * (pair[row] & 1)) / _DEVIATION
        for column in range(columns):
            h = number(key, base + column)
            total = (h & _LOW) + ((h >> _16) & _LOW) + ((h >> _32) & _LOW) + (h >> _48)
            x[row, column] = mean[column] + np.float32((np.float64(total) - _MEAN) * scale)


@numba.njit(cache=True, nogil=True)
def draw_parts(first, last, key, train, valid, test, part):
    """Write 1, 2 or 3 for nodes of training, validation and test, else 0, to ``part`` [N] uint8."""
    for node in range(first, last):
        draw = uniform(key, node)
        if draw < train:
            part[node] = 1
        elif draw < train + valid:
            part[node] = 2
        elif draw < train + valid + test:
            part[node] = 3
        else:
            part[node] = 0
