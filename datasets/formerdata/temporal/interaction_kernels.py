"""Compiled interactions: what ``formerdata.temporal.generated`` says in formulas, event after event.

One and the same state serves to draw an event and to say how likely any other would have been.
"""

from __future__ import annotations

from collections import namedtuple

import numba
import numpy as np

from formerdata.graphs.sbm_kernels import below, number, uniform

# Which number of an event's stream decides what.
_BURST, _EARLIER, _SOURCE, _RECUR, _PARTNER, _COMMUNITY, _MEMBERS = 0, 1, 2, 3, 4, 5, 16

Process = namedtuple("Process", "order arrives move_at move_node move_by recurrence locality burst window")
"""What does not change: nodes in the order in which they arrive [N]; before which event each one does [N]; before which
event a move happens, of whom, and by how many communities [M]; and the settings."""
State = namedtuple("State", "place community size partners met recent")
"""What does: nodes that have arrived and moves that are made [2]; the community of each node [N]; the arrived members
of each [K]; the last partners of each node [N, m]; how many it had [N]; its events as a source in the window [N]."""


@numba.njit(cache=True, nogil=True)
def begin(community, communities, memory):
    """The state before the first event."""
    nodes = len(community)
    return State(
        np.zeros(2, np.int64),
        community.copy(),
        np.zeros(communities, np.int64),
        np.empty((nodes, memory), np.int64),
        np.zeros(nodes, np.int64),
        np.zeros(nodes, np.int64),
    )


@numba.njit(cache=True, nogil=True)
def advance(process, state, k):
    """Nodes that arrive, and moves that happen, before event ``k``; to be called for each event in turn."""
    place, size = state.place, state.size
    while place[0] < len(process.order) and process.arrives[process.order[place[0]]] <= k:
        size[state.community[process.order[place[0]]]] += 1
        place[0] += 1
    while place[1] < len(process.move_at) and process.move_at[place[1]] <= k:
        node = process.move_node[place[1]]
        old = state.community[node]
        new = (old + process.move_by[place[1]]) % len(size)
        state.community[node] = new
        if process.arrives[node] <= k:
            size[old] -= 1
            size[new] += 1
        place[1] += 1


@numba.njit(cache=True, nogil=True)
def record(process, state, src, dst, k):
    """Event ``k`` has happened."""
    for node, partner in ((src[k], dst[k]), (dst[k], src[k])):
        state.partners[node, state.met[node] % state.partners.shape[1]] = partner
        state.met[node] += 1
    state.recent[src[k]] += 1
    if k >= process.window:
        state.recent[src[k - process.window]] -= 1


@numba.njit(cache=True, nogil=True)
def source_probability(process, state, k, u):
    """p(u | past) for event ``k``."""
    arrived = state.place[0]
    everyone = 1.0 / arrived if process.arrives[u] <= k else 0.0
    if k == 0:
        return everyone
    return process.burst * state.recent[u] / min(k, process.window) + (1 - process.burst) * everyone


@numba.njit(cache=True, nogil=True)
def probability(process, state, k, u, v):
    """p(v | u, past) for event ``k``."""
    if u == v or process.arrives[u] > k or process.arrives[v] > k:
        return 0.0
    met, same = min(state.met[u], state.partners.shape[1]), state.size[state.community[u]]
    recurrence = process.recurrence if met > 0 else 0.0
    locality = process.locality if same > 1 else 0.0
    found = (1 - locality) / (state.place[0] - 1)
    if locality > 0 and state.community[u] == state.community[v]:
        found += locality / (same - 1)
    if recurrence == 0:
        return found
    times = 0
    for place in range(met):
        times += state.partners[u, place] == v
    return recurrence * times / met + (1 - recurrence) * found


@numba.njit(cache=True, nogil=True)
def draw_source(process, state, src, k, stream):
    """A source for event ``k``, and whether it is one of a burst."""
    if k > 0 and uniform(stream, _BURST) < process.burst:
        return src[k - 1 - below(stream, _EARLIER, min(k, process.window))], True
    return process.order[below(stream, _SOURCE, state.place[0])], False


@numba.njit(cache=True, nogil=True)
def draw_destination(process, state, u, stream):
    """A destination for that source."""
    met, own = min(state.met[u], state.partners.shape[1]), state.community[u]
    if met > 0 and uniform(stream, _RECUR) < process.recurrence:
        return state.partners[u, below(stream, _PARTNER, met)]
    inside = state.size[own] > 1 and uniform(stream, _COMMUNITY) < process.locality
    k = _MEMBERS
    while True:
        v = process.order[below(stream, k, state.place[0])]
        if v != u and (not inside or state.community[v] == own):
            return v
        k += 1


@numba.njit(cache=True, nogil=True)
def generate(process, community, communities, memory, key, src, dst, burst, y):
    """Write all events: src, dst [E] int64; burst [E] bool; y [E] int64, the source's community at its event."""
    state = begin(community, communities, memory)
    for k in range(len(src)):
        advance(process, state, k)
        stream = number(key, k)
        src[k], burst[k] = draw_source(process, state, src, k, stream)
        dst[k] = draw_destination(process, state, src[k], stream)
        y[k] = state.community[src[k]]
        record(process, state, src, dst, k)


@numba.njit(cache=True, nogil=True)
def score(process, community, communities, memory, src, dst, at, u, v, joint, out):
    """Write p(v | u, past), or p(u, v | past) if ``joint``, into ``out`` [B, C].

    Row ``b`` knows the events before ``at[b]`` of src, dst [E]; ``at`` [B] ascends. u is [B], v is [B, C].
    """
    state = begin(community, communities, memory)
    row = 0
    for k in range(at[-1] + 1):
        advance(process, state, k)
        while row < len(at) and at[row] == k:
            factor = source_probability(process, state, k, u[row]) if joint else 1.0
            for c in range(v.shape[1]):
                out[row, c] = factor * probability(process, state, k, u[row], v[row, c])
            row += 1
        if k < len(src):
            record(process, state, src, dst, k)
