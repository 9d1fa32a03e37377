"""Compiled rounds of affinity clustering: refine colours, mark edges, join, contract.

A level is a simple graph of n clusters as lists of neighbours, each edge in the lists of both its ends: ``starts`` and
``ends`` [n] int64, ``neighbours`` [M] int32, ``weight`` [M] float64. Between lists may be room that nothing was written
to. Better is larger: costs come negated. Kernels that are given ``first`` and ``last`` write the rows of these clusters
alone. Each takes time linear in clusters and edges.
"""

from __future__ import annotations

import numba
import numpy as np
from formerdata.graphs.sbm_kernels import number

AVERAGE, MAX, SUM, MIN_SIZE, BOUNDED_MEAN, MEAN, PERCENTILE = range(7)


@numba.njit(cache=True, nogil=True)
def _worth(linkage, total, count, a, b, bound):
    """What an edge is worth, from the sum of the weights below it, between clusters of ``a`` and ``b`` nodes."""
    if linkage == MEAN:
        return total / count
    if linkage == MIN_SIZE:
        return total / min(a, b)
    if linkage == BOUNDED_MEAN:
        return total / min(a * b, bound * min(a, b))
    return total / (a * b)


@numba.njit(cache=True, nogil=True)
def refine(first, last, starts, ends, neighbours, bits, colours, out):
    """One round of refinement: a colour is a hash of the own one and of the multiset of edges and colours around.

    Args:
        bits: [M] uint64, the values of edges as they lie in memory. colours, out: [n] uint64.
    """
    for x in range(first, last):
        around = np.uint64(0)
        for e in range(starts[x], ends[x]):
            around += number(colours[neighbours[e]] ^ number(bits[e], 1), 1)
        out[x] = number(colours[x] * np.uint64(3) + around, 1)


@numba.njit(cache=True, nogil=True)
def _order(a, b, starts, ends, sizes, colours):
    """Negative if cluster ``a`` comes before ``b`` where their edges are worth the same, positive if after, 0 if all
    that is known of them without their numbers is the same."""
    if sizes[a] != sizes[b]:
        return -1 if sizes[a] < sizes[b] else 1
    degree_a, degree_b = ends[a] - starts[a], ends[b] - starts[b]
    if degree_a != degree_b:
        return -1 if degree_a < degree_b else 1
    if colours[a] != colours[b]:
        return -1 if colours[a] < colours[b] else 1
    return 0


@numba.njit(cache=True, nogil=True)
def _draw(x):
    """What decides between clusters that are alike, the lower the better: a hash of the number.

    Numbers themselves may run along the graph, as those of a grid do: each cluster would join the one before it. One
    order for all who choose, and not one for each edge, so that two that choose among the same choose the same.
    """
    return number(np.uint64(x), 1)


@numba.njit(cache=True, nogil=True)
def mark(first, last, starts, ends, neighbours, value, sizes, colours, threshold, partners, joins):
    """Each cluster's best edge: the other end to ``partners`` [n] int64, its value to ``joins`` [n] float64; -1 and
    NaN for a cluster without an edge that is worth ``threshold``."""
    for x in range(first, last):
        best, worth = np.int64(-1), threshold
        for e in range(starts[x], ends[x]):
            y, v = np.int64(neighbours[e]), value[e]
            if v < worth:
                continue
            if best >= 0 and v == worth:
                order = _order(y, best, starts, ends, sizes, colours)
                if order > 0 or (order == 0 and _draw(y) > _draw(best)):
                    continue
            best, worth = y, v
        partners[x] = best
        joins[x] = worth if best >= 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _root(parents, x):
    while parents[x] != x:
        parents[x] = parents[parents[x]]
        x = parents[x]
    return x


@numba.njit(cache=True, nogil=True)
def _unite(parents, x, y):
    x, y = _root(parents, x), _root(parents, y)
    if x < y:
        parents[y] = x
    else:
        parents[x] = y


@numba.njit(cache=True, nogil=True)
def join(starts, ends, neighbours, value, sizes, colours, partners, joins, all_ties, labels):
    """Connected components of marked edges: their numbers, by first member, to ``labels`` [n] int32.

    Args:
        all_ties: Whether edges that nothing but numbers tells from a marked one are marked as well.

    Returns:
        How many there are.
    """
    n = len(labels)
    parents = np.arange(n).astype(np.int32)
    for x in range(n):
        best = partners[x]
        if best < 0:
            continue
        _unite(parents, x, best)
        if all_ties:
            for e in range(starts[x], ends[x]):
                y = neighbours[e]
                if value[e] == joins[x] and _order(y, best, starts, ends, sizes, colours) == 0:
                    _unite(parents, x, y)
    count = 0
    for x in range(n):
        # A root is the smallest of its component, so it has its number before the others ask.
        root = _root(parents, x)
        if root == x:
            labels[x] = count
            count += 1
        else:
            labels[x] = labels[root]
    return count


@numba.njit(cache=True, nogil=True)
def members_of(labels, sizes, colours, starts, members, new_sizes, new_colours):
    """Lists of members, by label, and what the new clusters inherit: the sum of sizes, a hash of the colours.

    Args:
        starts: [k + 1] int64, zeros at first. members: [n] int32. new_sizes: [k] int64 and new_colours: [k] uint64,
            zeros at first. All written.
    """
    for x in range(len(labels)):
        starts[labels[x] + 1] += 1
    for k in range(len(new_sizes)):
        starts[k + 1] += starts[k]
    place = starts[:-1].copy()
    for x in range(len(labels)):
        k = labels[x]
        members[place[k]] = x
        place[k] += 1
        new_sizes[k] += sizes[x]
        new_colours[k] += number(colours[x], 1)
    for k in range(len(new_sizes)):
        new_colours[k] = number(new_colours[k], 1)


@numba.njit(cache=True, nogil=True)
def room(member_starts, members, starts, ends, new_starts):
    """Where each new cluster's list may begin, ``new_starts`` [k] int64, as if nothing merged; returns the end."""
    end = 0
    for k in range(len(new_starts)):
        new_starts[k] = end
        for place in range(member_starts[k], member_starts[k + 1]):
            x = members[place]
            end += ends[x] - starts[x]
    return end


@numba.njit(cache=True, nogil=True)
def contract(
    first, last, member_starts, members, labels, starts, ends, neighbours, weight, rest, counts, linkage, bound, sizes,
    new_starts, new_ends, new_neighbours, new_weight, new_rest, new_counts, value,
):  # fmt: skip
    """Merge the lists of members: edges inside go, parallel ones become one, of the best weight or of the sum.

    A sum is kept as two float64, its rounded value and the rest of it: whatever the order of the terms, it is the same
    unless they span more than about 50 binary digits.

    Args:
        rest: [M] float64, or none where it is 0. counts: [M] int64, or none where it is 1.
        sizes: [k] int64, of the new clusters. bound: Of ``BOUNDED_MEAN``.
        new_starts: [k] int64, from ``room``. new_ends: [k] int64, written, as all behind it.
        new_neighbours, new_weight: [R]. new_rest, new_counts: [R], or none if they are not wanted. value: [R], what
            edges are worth; or none, where that is the weight.
    """
    slot = np.zeros(len(sizes), np.int64)
    for k in range(first, last):
        begin = end = new_starts[k]
        for place in range(member_starts[k], member_starts[k + 1]):
            x = members[place]
            for e in range(starts[x], ends[x]):
                y = labels[neighbours[e]]
                if y == k:
                    continue
                at = slot[y]
                # A slot that points into this list, at this neighbour, was written for it; others are left-overs.
                if at < begin or at >= end or new_neighbours[at] != y:
                    at = slot[y] = end
                    end += 1
                    new_neighbours[at], new_weight[at] = y, weight[e]
                    if len(new_rest):
                        new_rest[at] = rest[e] if len(rest) else 0.0
                    if len(new_counts):
                        new_counts[at] = counts[e] if len(counts) else 1
                elif linkage == MAX:
                    new_weight[at] = max(new_weight[at], weight[e])
                else:
                    _add(new_weight, new_rest, at, weight[e], rest[e] if len(rest) else 0.0)
                    if len(new_counts):
                        new_counts[at] += counts[e] if len(counts) else 1
        new_ends[k] = end
        if len(value):
            a = np.float64(sizes[k])
            for at in range(begin, end):
                count = new_counts[at] if len(new_counts) else 1
                b = np.float64(sizes[new_neighbours[at]])
                value[at] = _worth(linkage, new_weight[at], count, a, b, bound)


@numba.njit(cache=True, nogil=True)
def _add(high, low, at, x, y):
    """Add ``x + y`` to the sum of two parts (Knuth, *The Art of Computer Programming*, volume 2, section 4.2.2)."""
    a = high[at]
    total = a + x
    back = total - a
    error = (a - (total - back)) + (x - back)
    small = low[at] + y + error
    high[at] = total + small
    low[at] = small - (high[at] - total)


@numba.njit(cache=True, nogil=True)
def _comes_after(a, b, sizes, joins, colours):
    """Whether child ``a`` comes after child ``b``, whose number is higher: the larger first, then the better joined."""
    if sizes[a] != sizes[b]:
        return sizes[a] < sizes[b]
    if joins[a] != joins[b]:
        return joins[a] < joins[b]
    return colours[a] > colours[b]


@numba.njit(cache=True, nogil=True)
def order_children(parents, member_starts, members, sizes, joins, colours, out):
    """Write the children of ``parents`` [k] int64, one parent after the other, to ``out`` [n] int64, each in order.

    Merges of ever longer runs; those of equal rank keep the order of their numbers, which rise among ``members``.
    """
    spare, begin = np.empty_like(out), 0
    for k in parents:
        count = member_starts[k + 1] - member_starts[k]
        old, new = out[begin : begin + count], spare[begin : begin + count]
        for i in range(count):
            old[i] = members[member_starts[k] + i]
        length, swapped = 1, False
        while length < count:
            for low in range(0, count, 2 * length):
                i, middle = low, min(low + length, count)
                j, high = middle, min(low + 2 * length, count)
                for at in range(low, high):
                    if i < middle and (j >= high or not _comes_after(old[i], old[j], sizes, joins, colours)):
                        new[at] = old[i]
                        i += 1
                    else:
                        new[at] = old[j]
                        j += 1
            old, new, swapped, length = new, old, not swapped, 2 * length
        if swapped:
            new[:] = old
        begin += count


@numba.njit(cache=True, nogil=True)
def hash_rows(first, last, rows, out):
    """Write a hash of each of ``rows`` [N, D] int64 to ``out`` [N] uint64."""
    for x in range(first, last):
        key = np.uint64(0)
        for c in range(rows.shape[1]):
            key = number(key * np.uint64(3) + number(np.uint64(rows[x, c]), 1), 1)
        out[x] = key


@numba.njit(cache=True, nogil=True)
def renumber_rows(first, last, order, places, starts, neighbours, value, new_starts, new_neighbours, new_value):
    """The graph of a level with its clusters in another order, list after list: row ``k`` is of cluster ``order[k]``.

    Args:
        places: [n] int64, the inverse of ``order``. new_starts: [n + 1] int64, as they will be.
    """
    for k in range(first, last):
        begin = starts[order[k]]
        for i in range(new_starts[k + 1] - new_starts[k]):
            new_neighbours[new_starts[k] + i] = places[neighbours[begin + i]]
            new_value[new_starts[k] + i] = value[begin + i]
