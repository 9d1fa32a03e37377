"""Future links: one linear map of everything, split by its inputs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from graphformers.layers import temporal_decoder
from graphformers.layers.node_states import Meetings, NodeStates, find_sorted
from graphformers.layers.temporal_decoder import TemporalLinkDecoder
from graphformers.layers.time_encoding import TimeEncoding

MET = {(0, 4): (2, 7.0), (4, 0): (1, 5.0), (6, 8): (1, 6.0)}
"""Events of a pair, and the time of the last."""


def some_states(nodes: int = 5) -> NodeStates:
    g = torch.Generator().manual_seed(0)
    src, dst = torch.tensor([0, 4, 6, 0]), torch.tensor([4, 0, 8, 4])
    met = Meetings.of(src, dst, torch.tensor([1.0, 5.0, 6.0, 7.0]).double(), 10)
    return NodeStates(
        torch.randn(nodes, 8, generator=g), torch.arange(0, 2 * nodes, 2), torch.arange(nodes).double(), 10, None, met
    )


def asked(decoder: TemporalLinkDecoder, states: NodeStates, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
    rows, _ = states.find("src, dst", torch.cat([src[:, None], dst], 1))
    table = torch.cat([states.h, torch.full((1, 8), 0.5)])
    return decoder(states, table, rows, src, dst, t)


@pytest.mark.parametrize("meetings", [False, True])
@pytest.mark.parametrize("candidates", [1, 7])
def test_equals_one_map_of_all_inputs(meetings: bool, candidates: int) -> None:
    torch.manual_seed(0)
    time, states = TimeEncoding(6), some_states()
    decoder = TemporalLinkDecoder(8, time, 6, meetings=meetings)
    g = torch.Generator().manual_seed(1)
    src, dst = torch.randint(0, 10, (9,), generator=g), torch.randint(0, 10, (9, candidates), generator=g)
    t = 10 + torch.arange(9).double()
    got = asked(decoder, states, src, dst, t)

    def side(node: int, now: Tensor) -> tuple[Tensor, Tensor]:
        if node % 2:
            return torch.full((8,), 0.5), torch.zeros(6)
        return states.h[node // 2], time(now - node // 2)

    parts = [decoder.src, decoder.dst, decoder.src_time, decoder.dst_time]
    weight = torch.cat([part.weight for part in parts], 1)  # type: ignore[union-attr]
    for b in range(9):
        for c in range(candidates):
            (hu, tu), (hv, tv) = side(int(src[b]), t[b]), side(int(dst[b, c]), t[b])
            hidden = weight @ torch.cat([hu, hv, tu, tv]) + decoder.src.bias
            if decoder.pair is not None and decoder.forth_time is not None and decoder.back_time is not None:
                u, v, told = int(src[b]), int(dst[b, c]), []
                for both, layer in (((u, v), decoder.forth_time), ((v, u), decoder.back_time)):
                    count, last = MET.get(both, (0, 0.0))
                    told += [math.log1p(count), float(count > 0)]
                    hidden = hidden + (layer.weight @ time(t[b] - last) if count else 0)
                hidden = hidden + decoder.pair.weight @ torch.tensor(told)
            torch.testing.assert_close(got[b, c], decoder.out(hidden.relu())[0], rtol=1e-4, atol=1e-5)


def test_parts_of_a_batch_are_one_after_the_other(monkeypatch) -> None:
    torch.manual_seed(0)
    decoder, states = TemporalLinkDecoder(8, TimeEncoding(6), 6, meetings=True), some_states()
    g = torch.Generator().manual_seed(1)
    src, dst = torch.randint(0, 10, (9,), generator=g), torch.randint(0, 10, (9, 7), generator=g)
    t = 10 + torch.arange(9).double()
    wanted = asked(decoder, states, src, dst, t)
    for size in (1, 7, 20):
        monkeypatch.setattr(temporal_decoder, "PAIRS_AT_ONCE", size)
        torch.testing.assert_close(asked(decoder, states, src, dst, t), wanted)
    assert asked(decoder, states, src[:0], dst[:0], t[:0]).shape == (0, 7)


def test_meetings_know_their_direction() -> None:
    g = torch.Generator().manual_seed(0)
    src, dst = torch.randint(0, 6, (2, 30), generator=g)
    t = torch.arange(30).double()
    met = Meetings.of(src, dst, t, 6)
    for a in range(6):
        for b in range(6):
            times = [float(t[k]) for k in range(30) if (int(src[k]), int(dst[k])) == (a, b)]
            row, known = met.find(torch.tensor(a), torch.tensor(b))
            assert bool(known) == bool(times)
            if times:
                assert (int(met.counts[row]), float(met.t_last[row])) == (len(times), times[-1])
            else:
                assert int(row) == len(met.keys)
    nobody = Meetings.of(src[:0], dst[:0], t[:0], 6)
    assert not nobody.find(src, dst)[1].any()


def test_find_sorted() -> None:
    rows, known = find_sorted(torch.tensor([2, 5, 9]), torch.tensor([[9, 0], [2, 10]]))
    assert rows.tolist() == [[2, 3], [0, 3]]
    assert known.tolist() == [[True, False], [True, False]]
    rows, known = find_sorted(torch.tensor([], dtype=torch.long), torch.tensor([3]))
    assert (rows.tolist(), known.tolist()) == ([0], [False])
