"""Todyformer as its formulas read: loops over patches, nodes, events and heads, and a padded table of copies."""

from __future__ import annotations

import math

import torch
from formerdata.temporal import EventStream
from torch import Tensor
from torch.nn import functional as F

from graphformers.models import Todyformer

Copies = dict[tuple[int, int], Tensor]


def phi(model: Todyformer, dt: float) -> Tensor:
    """Cosines, then sines, of log(1 + dt)."""
    assert model.time is not None
    phase = [2 * math.pi * math.log1p(dt / model.time.shortest) * f for f in model.time.frequencies.tolist()]
    return torch.tensor([math.cos(p) for p in phase] + [math.sin(p) for p in phase], dtype=torch.float64)


def omega(events: EventStream, e: int, j: int, i: int) -> Tensor:
    """Logarithms of 1 + what the two ends of event e did before it."""
    t, ends = events.t.tolist(), list(zip(events.src.tolist(), events.dst.tolist(), strict=True))
    before = [ends[k] for k in range(len(ends)) if t[k] < t[e]]
    degree = {v: sum((a == v) + (b == v) for a, b in before) for v in (j, i)}
    met = sum({a, b} == {i, j} for a, b in before)
    return torch.tensor([math.log1p(x) for x in (degree[j], degree[i], met)], dtype=torch.float64)


def encode(model: Todyformer, events: EventStream, t_end: float) -> dict[int, tuple[Tensor, float]]:
    """State and last time of each node of the window."""
    count, patches, d = len(events), model.patches, model.absent.shape[0]
    t, ends = events.t.tolist(), list(zip(events.src.tolist(), events.dst.tolist(), strict=True))
    runs = [range(m * count // patches, (m + 1) * count // patches) for m in range(patches)]
    nodes = sorted({v for pair in ends for v in pair})
    last = {(v, m): t[e] for m, run in enumerate(runs) for e in run for v in ends[e]}
    z = {}
    for e, pair in enumerate(ends):
        for j, i in (pair, pair[::-1]):
            told = torch.zeros(0, dtype=torch.float64)
            if model.events is not None and not model.events.empty:
                told = torch.zeros(model.blocks[0].local[0].event_key.in_features, dtype=torch.float64)
                if model.time is not None:
                    told = told + phi(model, t_end - t[e])
                if model.events.structure is not None:
                    degrees, meetings = model.events.degrees, model.events.meetings
                    chosen = [0, 1] * degrees + [2] * meetings
                    told = told + model.events.structure.weight @ omega(events, e, j, i)[chosen]
                if model.events.features is not None:
                    assert events.edge_attr is not None
                    told = told + model.events.features.weight @ events.edge_attr[e].double()
            z[e, j, i] = told
    h: Copies = {}
    for v, m in last:
        h[v, m] = model.blank if model.features is None else model.features(events.x[v].double())  # type: ignore[index]
    for block in model.blocks:
        for layer in block.local:
            h = local(layer, h, runs, ends, z)
        if block.sequence is not None:
            h = sequences(model, block, h, nodes, patches, last, t_end, d)
    states = {}
    for v in nodes:
        own = [m for m in range(patches) if (v, m) in h]
        read = h[v, own[-1]] if model.readout == "last" else sum(h[v, m] for m in own) / len(own)
        states[v] = F.layer_norm(read, (d,), model.norm.weight, model.norm.bias), last[v, own[-1]]
    return states


def local(layer, h: Copies, runs, ends, z) -> Copies:
    new = {}
    width = layer.width
    for v, m in h:
        q, scores, values = layer.query(h[v, m]), [], []
        for e in runs[m]:
            for j, i in (ends[e], ends[e][::-1]):
                if i != v:
                    continue
                k, value = layer.key(h[j, m]), layer.value(h[j, m])
                if layer.event_key is not None:
                    k, value = k + layer.event_key.weight @ z[e, j, i], value + layer.event_value.weight @ z[e, j, i]
                scores.append((q * k).unflatten(0, (-1, width)).sum(1) / math.sqrt(width))
                values.append(value.unflatten(0, (-1, width)))
        weights = torch.stack(scores).softmax(0)
        heard = sum(w[:, None] * value for w, value in zip(weights, values, strict=True))
        new[v, m] = F.gelu(h[v, m] + heard.flatten())
    return new


def sequences(model: Todyformer, block, h: Copies, nodes, patches: int, last, t_end: float, d: int) -> Copies:
    """A padded table [n, M, d], whose padding is masked as keys; its rows hold what must not matter."""
    if not nodes:
        return {}
    table = torch.full((len(nodes), patches, d), 7.0, dtype=torch.float64)
    mask = torch.zeros(len(nodes), patches, dtype=torch.bool)
    rows = []
    for n, v in enumerate(nodes):
        own = []
        for m in range(patches):
            row = table[n, m]
            if (v, m) in h:
                row, mask[n, m] = h[v, m], True
                if block.positions:
                    rates = [math.exp(-math.log(10000) * k / (d // 2)) for k in range(d // 2)]
                    angles = [m * rate for rate in rates]
                    waves = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
                    row = row + torch.tensor(waves, dtype=torch.float64)
                if block.age is not None:
                    row = row + block.age.weight @ phi(model, t_end - last[v, m])
            own.append(row)
        rows.append(torch.stack(own))
    x = torch.stack(rows)
    own, heads = block.sequence, block.local[0].query.out_features // block.local[0].width
    a = own.attention
    normed = F.layer_norm(x, (d,), own.norm1.weight, own.norm1.bias)
    q, k, v = ((normed @ p.weight.T).unflatten(2, (heads, -1)).transpose(1, 2) for p in (a.q_proj, a.k_proj, a.v_proj))
    scores = q @ k.mT / math.sqrt(d / heads)
    scores = scores.masked_fill(~mask[:, None, None], -1e30)
    if a.causal:
        scores = scores.masked_fill(torch.ones(patches, patches).triu(1).bool(), -1e30)
    x = x + (scores.softmax(3) @ v).transpose(1, 2).flatten(2) @ a.o_proj.weight.T
    hidden = own.widen(F.layer_norm(x, (d,), own.norm2.weight, own.norm2.bias)).relu()
    x = x + hidden @ own.narrow.weight.T + own.narrow.bias
    return {(v, m): x[n, m] for n, v in enumerate(nodes) for m in range(patches) if (v, m) in h}


def score(model: Todyformer, events: EventStream, states, u: int, v: int, t: float) -> Tensor:
    """MLP([h_u | h_v | phi(t - t_u) | phi(t - t_v)]), and what the two had with each other if the model asks."""
    links, parts = model.links, []
    weights = [links.src.weight, links.dst.weight]
    for node in (u, v):
        away = model.absent
        if node not in states and model.features is not None:
            away = away + model.features(events.x[node].double())  # type: ignore[index]
        parts.append(states[node][0] if node in states else away)
    if model.time is not None:
        weights += [links.src_time.weight, links.dst_time.weight]
        for node in (u, v):
            nothing = torch.zeros(links.src_time.in_features, dtype=torch.float64)
            parts.append(phi(model, t - states[node][1]) if node in states else nothing)
    if links.pair is not None:
        told = []
        for one, other, timed in ((u, v, links.forth_time), (v, u, links.back_time)):
            pairs = zip(events.src.tolist(), events.dst.tolist(), events.t.tolist(), strict=True)
            times = [time for a, b, time in pairs if (a, b) == (one, other)]
            told += [math.log1p(len(times)), float(bool(times))]
            if timed is not None:
                nothing = torch.zeros(links.src_time.in_features, dtype=torch.float64)
                weights.append(timed.weight)
                parts.append(phi(model, t - times[-1]) if times else nothing)
        weights.append(links.pair.weight)
        parts.append(torch.tensor(told, dtype=torch.float64))
    hidden = torch.cat(weights, 1) @ torch.cat(parts) + links.src.bias
    return links.out.weight[0] @ hidden.relu() + links.out.bias[0]
