"""Todyformer: Biparva, Karimi, Faez and Zhang, *Todyformer: Towards Holistic Dynamic Graph Transformers with
Structure-Aware Tokenization* (2024, arXiv 2402.05944). A reconstruction: there is no code of the authors.

What is known at a time is the window of the last W events. It is cut into M patches, and a node has a copy in each
patch where it has events. L blocks take turns: attention over events among the copies within each patch (the local
encoder), then attention of each node among its own copies (the global encoder). States of nodes do not depend on what
is asked, so the window is encoded once for any number of questions.

Inferred, for the text does not say: patches of equal numbers of events; Omega, which is three counts
(:mod:`~graphformers.layers.event_features`); GELU and no norm in the local encoder; a pre-norm Transformer of one layer
and its encoding of positions (:mod:`~graphformers.layers.node_sequence`); the norm of the states; that a state is that
of the last copy; a learned state of nodes that are not in the window; the decoders, and what that of classes is told;
the logarithm in the encoding of time. Counts, encodings, readout and the number of layers are arguments.
"""

from __future__ import annotations

from typing import Literal

import torch
from formerdata.temporal import EventStream
from torch import Tensor, nn

from graphformers.layers.class_decoder import TemporalClassDecoder
from graphformers.layers.event_features import Encodings, EventEncoder
from graphformers.layers.node_sequence import SequenceEncoder
from graphformers.layers.node_states import Meetings, NodeStates, check_nodes
from graphformers.layers.parts import reset
from graphformers.layers.patches import Patches, patchify
from graphformers.layers.reach import Reach, reaches
from graphformers.layers.temporal_attention import TemporalAttention
from graphformers.layers.temporal_decoder import TemporalLinkDecoder
from graphformers.layers.time_encoding import TimeEncoding, position_encoding
from graphformers.temporal.link_loss import link_loss


class Todyformer(nn.Module):
    """States of nodes; from these, logits of future links or of classes of nodes.

    A model without identities of nodes: it treats alike what has the same past.

    Attributes:
        stateful: See :class:`~graphformers.temporal.TrainableLinkScorer`.

    Args:
        channels: d. num_layers: L, blocks; 0 for features of nodes alone. heads: H, a divisor of d.
        window: W, events that are looked at.
        patches: M; 1 for no patches.
        edge_dim: Features of an event. node_dim: Features of a node. None for those that have none.
        classes: Classes of a node; the model then has no decoder of links. None for one that has.
        time_dim: Channels of the encoding of time, even.
        local_layers: Layers of the local encoder in each block.
        expansion: Width of the Transformer's feed-forward, in channels.
        dropout: In all parts.
        readout: A node's state is that of its last copy, or the mean of all.
        causal: The global encoder looks back alone.
        positions: Tell the global encoder the number of the patch.
        time_encoding: Whether times count at all, except for the order of events and for what was before what.
        logarithmic, shortest, longest: Of :class:`~graphformers.layers.time_encoding.TimeEncoding`.
        global_encoder: Whether there is one.
        degrees, meetings: Parts of Omega.
        event_features: Whether the decoder of classes is told the features of the event itself, which belong to what is
            asked and not to what is known. Inferred; TGN's and DyGLib's are told the state alone.
        pair_meetings: Whether :class:`~graphformers.layers.temporal_decoder.TemporalLinkDecoder` is told what two nodes
            had with each other in the window. Not in the paper.

    Raises:
        ValueError: On sizes that are out of range.
    """

    stateful = False

    def __init__(
        self,
        channels: int = 64,
        num_layers: int = 2,
        heads: int = 4,
        *,
        window: int = 16384,
        patches: int = 8,
        edge_dim: int | None = None,
        node_dim: int | None = None,
        classes: int | None = None,
        time_dim: int = 64,
        local_layers: int = 1,
        expansion: int = 2,
        dropout: float = 0.1,
        readout: Literal["last", "mean"] = "last",
        causal: bool = False,
        positions: bool = True,
        time_encoding: bool = True,
        logarithmic: bool = True,
        shortest: float = 1.0,
        longest: float = 1e8,
        global_encoder: bool = True,
        degrees: bool = True,
        meetings: bool = True,
        event_features: bool = True,
        pair_meetings: bool = False,
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("num_layers", num_layers, 0), ("window", window, 1), ("patches", patches, 1),
            ("local_layers", local_layers, 1),
        ):  # fmt: skip
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")
        if readout not in ("last", "mean"):
            raise ValueError(f"readout: expected 'last' or 'mean', got {readout!r}")
        self.window, self.patches, self.readout, self.edge_dim, self.node_dim = (
            window, patches, readout, edge_dim, node_dim,
        )  # fmt: skip
        self.local_layers, self.global_encoder = local_layers, global_encoder
        time = TimeEncoding(time_dim, logarithmic=logarithmic, shortest=shortest, longest=longest)
        self.time = time if time_encoding else None
        self.features = nn.Linear(node_dim, channels) if node_dim else None
        self.blank = nn.Parameter(torch.empty(channels)) if not node_dim else None
        self.absent = nn.Parameter(torch.empty(channels))
        # Without blocks nobody looks at events, and their parameters would wait for gradients in vain.
        self.events = None
        if num_layers:
            self.events = EventEncoder(time_dim, self.time, edge_dim=edge_dim, degrees=degrees, meetings=meetings)
        empty = self.events is None or self.events.empty
        self.blocks = nn.ModuleList(
            TodyformerBlock(
                channels, heads, 0 if empty else time_dim, time_dim if time_encoding else 0,
                local_layers=local_layers, positions=positions, causal=causal, expansion=expansion, dropout=dropout,
                global_encoder=global_encoder, alike=node_dim is None and i == 0,
            )
            for i in range(num_layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(channels)
        # One of both: processes that train together would wait for the other's gradients in vain.
        self.links: TemporalLinkDecoder | None = None
        self.classes: TemporalClassDecoder | None = None
        if classes is None:
            self.links = TemporalLinkDecoder(channels, self.time, time_dim, meetings=pair_meetings, dropout=dropout)
        else:
            told = edge_dim or 0 if event_features else 0
            self.classes = TemporalClassDecoder(channels, classes, self.time, time_dim, event_dim=told, dropout=dropout)
        self._initialise()

    def reset_parameters(self) -> None:
        reset(self.features, self.events, *self.blocks, self.norm, self.links, self.classes)
        self._initialise()

    def _initialise(self) -> None:
        for vector in (self.blank, self.absent):
            if vector is not None:
                nn.init.normal_(vector)

    def encode(self, window: EventStream, t_end: float) -> NodeStates:
        """The states of the nodes that have events in ``window``, which may be empty, seen from the time ``t_end``.

        Raises:
            ValueError: If events are not sorted, ``t_end`` is before the last one, or features the model was made for
                are missing or of another width.
        """
        return self._encode(window, t_end, None)

    def _encode(self, window: EventStream, t_end: float, ids: Tensor | None) -> NodeStates:
        """:meth:`encode` of what is asked for, nodes [...] int64 that exist, and of nothing else; None for all."""
        device = self.absent.device
        src, dst, t = (x.to(device) for x in (window.src, window.dst, window.t))
        if len(t) and float(t[-1]) > t_end:
            raise ValueError(f"t_end: expected a time from the last event's, {float(t[-1])}, on, got {t_end}")
        edge_attr = _features("edge_attr", window.edge_attr, self.edge_dim, device)
        x = _features("x", window.x, self.node_dim, device)
        cut = patchify(src, dst, t, self.patches)
        asked = torch.ones(len(cut.nodes), dtype=torch.bool, device=device)
        if ids is not None:
            asked = torch.zeros(window.num_nodes, dtype=torch.bool, device=device).index_fill(0, ids.flatten(), True)
            asked = asked[cut.nodes]
        nodes, t_last = cut.nodes[asked], cut.t_last[cut.cu_seqlens[1:].long() - 1][asked]
        h = self._inputs(x, nodes) if self.events is None else self._blocks(cut, t, t_end, edge_attr, x, asked)
        met = None if self.links is None or self.links.pair is None else Meetings.of(src, dst, t, window.num_nodes)
        return NodeStates(self.norm(h), nodes, t_last, window.num_nodes, x, met)

    def _blocks(
        self, cut: Patches, t: Tensor, t_end: float, edge_attr: Tensor | None, x: Tensor | None, asked: Tensor
    ) -> Tensor:
        """[m, d], states of those of ``cut.nodes`` that are asked for [n] bool."""
        assert self.events is not None
        dtype = self.absent.dtype
        parts = reaches(
            cut, asked, len(self.blocks), local_layers=self.local_layers, mixed=self.global_encoder,
            last=self.readout == "last",
        )  # fmt: skip
        told = self.events(cut, t, t_end, edge_attr, dtype)
        age = None if self.time is None else self.time(t_end - cut.t_last, dtype)
        if self.blank is None:
            sources = parts[0].sources
            h = self._inputs(x, cut.nodes).index_select(0, cut.node if sources is None else cut.node[sources])
        else:
            h = self.blank[None]
        for block, reach in zip(self.blocks, parts, strict=True):
            h = block(h, cut, reach, told, age)
        if self.readout == "last":
            return h
        count = cut.cu_seqlens.diff()[asked]
        rows = torch.repeat_interleave(torch.arange(len(count), device=h.device), count)
        return h.new_zeros(len(count), h.shape[1]).index_add(0, rows, h) / count[:, None]

    def score(self, states: NodeStates, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """[B, C] logits of events from src [B] to each of dst [B, C] at times t [B] float64.

        Raises:
            ValueError: If the model was made for classes, on nodes that are not there, shapes that do not agree, or
                times before the last event of a node.
        """
        if self.links is None:
            raise ValueError("classes: the model was made for these, and has no decoder of links")
        if dst.ndim != 2 or src.shape != dst.shape[:1] or t.shape != src.shape:
            raise ValueError(f"src, dst, t: expected [B], [B, C] and [B], got {list(src.shape)}, {list(dst.shape)} and "
                             f"{list(t.shape)}")  # fmt: skip
        src, dst, t = (x.to(self.absent.device) for x in (src, dst, t))
        table, rows = self._table(states, "src, dst", torch.cat([src[:, None], dst], 1))
        return self.links(states, table, rows, src, dst, t)

    def classify(self, states: NodeStates, src: Tensor, t: Tensor, edge_attr: Tensor | None = None) -> Tensor:
        """[B, classes] logits of nodes src [B] at events of times t [B] float64 with features edge_attr [B, edge_dim].

        Raises:
            ValueError: If the model has no classes, on nodes that are not there, times before the last event of a node,
                shapes that do not agree, or if features are missing.
        """
        if self.classes is None:
            raise ValueError("classes: the model was made without")
        if src.ndim != 1 or t.shape != src.shape:
            raise ValueError(f"src, t: expected [B] and [B], got {list(src.shape)} and {list(t.shape)}")
        src, t = src.to(self.absent.device), t.to(self.absent.device)
        table, rows = self._table(states, "src", src)
        told = None
        if self.classes.event is not None:
            told = _features("edge_attr", edge_attr, self.edge_dim, src.device)
            if told is not None and len(told) != len(src):
                raise ValueError(f"edge_attr: {len(told)} rows, expected {len(src)}, one an event")
        return self.classes(table[rows], states.t_last, rows, t, told)

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """:class:`~graphformers.temporal.link_scorer.LinkScorer`: :meth:`score` after the last W of ``events[:end]``.

        The window is seen from the time of its own last event, so what is asked does not change what is known.
        """
        return self.score(self._known(events, end, "src, dst", src, dst), src, dst, t)

    def class_logits(self, events: EventStream, end: int, src: Tensor, t: Tensor, edge_attr: Tensor | None) -> Tensor:
        """:class:`~graphformers.temporal.NodeClassScorer`: :meth:`classify` after the last W of ``events[:end]``."""
        return self.classify(self._known(events, end, "src", src), src, t, edge_attr)

    def loss(self, events: EventStream, end: int, src: Tensor, dst: Tensor, negatives: Tensor, t: Tensor) -> Tensor:
        """:class:`~graphformers.temporal.TrainableLinkScorer`: binary cross entropy of events and false ones."""
        return link_loss(self.scores(events, end, src, torch.cat([dst[:, None], negatives], 1), t))

    def reset_state(self) -> None:
        """Nothing: all is in the window."""

    def _known(self, events: EventStream, end: int, name: str, *ids: Tensor) -> NodeStates:
        """The states of ``ids`` alone."""
        window, asked = events[max(0, end - self.window) : end], torch.cat([x.flatten() for x in ids])
        asked = check_nodes(name, asked.to(self.absent.device), events.num_nodes)
        return self._encode(window, float(window.t[-1]) if len(window) else 0.0, asked)

    def _inputs(self, x: Tensor | None, nodes: Tensor) -> Tensor:
        """[n, d], of nodes [n]."""
        if self.features is None or x is None:
            assert self.blank is not None
            return self.blank.expand(len(nodes), -1)
        return self.features(x[nodes].to(self.absent.dtype))

    def _table(self, states: NodeStates, name: str, ids: Tensor) -> tuple[Tensor, Tensor]:
        """States [n + more, d] of all nodes asked for, and the row of each of ``ids``; rows from n on were not seen."""
        rows, known = states.find(name, ids)
        if self.features is None or states.x is None:
            return torch.cat([states.h, self.absent[None]]), rows
        unseen, which = torch.unique(ids[~known], return_inverse=True)
        rows[~known] = len(states.nodes) + which
        return torch.cat([states.h, self.absent + self._inputs(states.x, unseen)]), rows


class TodyformerBlock(nn.Module):
    """The local encoder, then the global one; copies of nodes [c, channels] to the same.

    Args:
        channels, heads: d and H.
        event_channels: Of an event's encoding z. age_channels: Of the encoding of the time since a copy's last event. 0
            for none.
        local_layers, positions, causal, expansion, dropout, global_encoder: See :class:`Todyformer`.
        alike: All copies have the same state before.
    """

    def __init__(
        self, channels: int, heads: int, event_channels: int, age_channels: int, *, local_layers: int, positions: bool,
        causal: bool, expansion: int, dropout: float, global_encoder: bool, alike: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.positions = positions
        self.local = nn.ModuleList(
            TemporalAttention(channels, heads, event_channels, dropout=dropout, alike=alike and i == 0)
            for i in range(local_layers)
        )
        self.sequence = self.age = None
        if global_encoder:
            self.sequence = SequenceEncoder(channels, heads, causal=causal, expansion=expansion, dropout=dropout)
            self.age = nn.Linear(age_channels, channels, bias=False) if age_channels else None

    def reset_parameters(self) -> None:
        reset(*self.local, self.sequence, self.age)

    def forward(self, h: Tensor, cut: Patches, reach: Reach, events: Encodings | None, age: Tensor | None) -> Tensor:
        """h [s, channels], what the events tell, and age [c, age_channels] or None; to [b, channels]."""
        for layer, hop in zip(self.local, reach.hops, strict=True):
            h = layer(h, hop, events)
        if self.sequence is None:
            return h if reach.answers is None else h.index_select(0, reach.answers)
        if self.positions:
            table = position_encoding(torch.arange(len(cut.bounds) - 1, device=h.device), h.shape[1], h.dtype)
            h = h + table.index_select(0, _part(cut.patch, reach.copies))
        if self.age is not None:
            assert age is not None
            h = torch.addmm(h, _part(age, reach.copies), self.age.weight.T)
        return self.sequence(h, reach.cu_seqlens, reach.answers)


def _part(x: Tensor, rows: Tensor | None) -> Tensor:
    return x if rows is None else x.index_select(0, rows)


def _features(name: str, values: Tensor | None, width: int | None, device: torch.device) -> Tensor | None:
    """What the model looks at: ``values`` [rows, width], or None if it was made without."""
    if width is None:
        return None
    if values is None or values.ndim != 2 or values.shape[1] != width:
        raise ValueError(f"{name}: expected [rows, {width}], got {None if values is None else list(values.shape)}")
    return values.to(device)
