"""The table of recent events against lists."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.temporal.recent_events import RecentEvents
from tests.graphformers.temporal.streams import random_stream


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 99), st.integers(1, 7), st.lists(st.integers(0, 120), min_size=1, max_size=6), st.integers(0, 511)
)
def test_holds_the_last_events_of_each_node(seed: int, size: int, ends: list[int], chosen: int) -> None:
    """Whatever the steps, forwards or back; an event of a node with itself is one event."""
    events, recent = random_stream(seed), RecentEvents(size)
    nodes = torch.tensor([node for node in range(9) if chosen >> node & 1], dtype=torch.int64)
    for end in ends:
        recent.advance(events, end)
        around, edges, which = recent.around(events, nodes)
        times, expected = recent.last_times(events, nodes), []
        pairs = list(zip(events.src[:end].tolist(), events.dst[:end].tolist(), strict=True))
        for node, time in zip(nodes.tolist(), times.tolist(), strict=True):
            own = [(a + b - node, node, event) for event, (a, b) in enumerate(pairs) if node in (a, b)]
            expected += own[::-1][:size]
            assert time == (float(events.t[own[-1][2]]) if own else -torch.inf)
        found = zip(around[edges[0]].tolist(), around[edges[1]].tolist(), which.tolist(), strict=True)
        assert list(found) == expected
        assert around.tolist() == sorted({*nodes.tolist(), *(neighbour for neighbour, *_ in expected)})
