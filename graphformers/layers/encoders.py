"""What nodes and edges bring along - types, several types at once, or numbers - made vectors of one width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from formerdata.graphs.molecule_features import ATOM_SIZES, BOND_SIZES
from torch import Tensor, nn

from graphformers.encodings.encoders import PositionEncoder, position_encoder
from graphformers.layers.parts import reset

ATOM_TYPES = ATOM_SIZES
"""``node_types`` of OGB's molecules."""
BOND_TYPES = BOND_SIZES
"""``edge_types`` of OGB's molecules."""


class SumEmbedding(nn.Module):
    """The sum of an embedding for each column of integers, as OGB's atom and bond encoders have it.

    Args:
        sizes: Values of each column; a column counts from 0.
        channels: C.

    Shapes:
        [N, len(sizes)] integers to [N, C].
    """

    starts: Tensor

    def __init__(self, sizes: Sequence[int], channels: int) -> None:
        super().__init__()
        if not sizes or min(sizes) < 1:
            raise ValueError(f"sizes: expected the number of values of each column, got {list(sizes)}")
        self.sizes = tuple(sizes)
        # One table for all columns: one look-up instead of many.
        self.table = nn.Parameter(torch.empty(sum(sizes), channels))
        self.register_buffer("starts", torch.tensor([0, *sizes[:-1]]).cumsum(0), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier, column by column."""
        for part in self.table.detach().split(self.sizes):
            nn.init.xavier_uniform_(part)

    def forward(self, x: Tensor) -> Tensor:
        if not len(x):
            return self.table.new_zeros(0, self.table.shape[1])
        return nn.functional.embedding_bag(x.long() + self.starts, self.table, mode="sum")


Encoder = nn.Embedding | SumEmbedding | nn.Linear


def node_encoder(in_channels: int | None, node_types: int | Sequence[int] | None, channels: int) -> Encoder:
    """For nodes of one type, of several types, or of ``in_channels`` features.

    Raises:
        ValueError: If they are said to have both, or neither.
    """
    if (in_channels is None) == (node_types is None):
        raise ValueError("in_channels, node_types: expected exactly one of the two")
    return _encoder(in_channels, node_types, channels)


def edge_encoder(edge_channels: int | None, edge_types: int | Sequence[int] | None, channels: int) -> Encoder | None:
    """The same for edges; None where they have neither types nor features.

    Raises:
        ValueError: If they are said to have both.
    """
    if edge_types is not None and edge_channels is not None:
        raise ValueError("edge_types, edge_channels: expected at most one of the two")
    return None if edge_types is None and edge_channels is None else _encoder(edge_channels, edge_types, channels)


def _encoder(features: int | None, types: int | Sequence[int] | None, channels: int) -> Encoder:
    if types is not None:
        return nn.Embedding(types, channels) if isinstance(types, int) else SumEmbedding(types, channels)
    assert features is not None
    return nn.Linear(features, channels)


def encoded(module: Encoder, x: Tensor, name: str) -> Tensor:
    """[N, C] of ``x``, which is [N, F] numbers, or integers [N], [N, 1] or [N, K].

    Raises:
        ValueError: If x is not what the encoder was made for.
    """
    if isinstance(module, nn.Linear):
        if x.ndim != 2 or x.shape[1] != module.in_features:
            raise ValueError(f"{name}: expected {module.in_features} features a row, got shape {tuple(x.shape)}")
        if not x.is_floating_point():
            raise ValueError(f"{name}: expected floating-point features, got {x.dtype}")
        return module(x)
    sizes = module.sizes if isinstance(module, SumEmbedding) else (module.num_embeddings,)
    x = x[:, None] if x.ndim == 1 else x
    if x.is_floating_point():
        raise ValueError(f"{name}: expected integers below {', '.join(map(str, sizes))}, got {x.dtype}")
    if x.shape[1:] != (len(sizes),):
        raise ValueError(f"{name}: expected {len(sizes)} integers a row, got shape {tuple(x.shape)}")
    x = x.long()
    # All columns at once: on a GPU every number that is looked at is waited for.
    limits = torch.stack([x.amin(0), x.amax(0)], 1).tolist() if len(x) else []
    for column, ((low, high), size) in enumerate(zip(limits, sizes, strict=False)):
        if low < 0 or high >= size:
            where = f" in column {column}" if len(sizes) > 1 else ""
            raise ValueError(f"{name}: expected types from 0 to {size - 1}{where}, got {low} to {high}")
    return module(x if isinstance(module, SumEmbedding) else x[:, 0])


def encoded_edges(module: Encoder | None, edge_attr: Tensor | None) -> Tensor | None:
    """[E, C] of edges [E, ...]; None, whatever is given, for a model without edge features.

    Raises:
        ValueError: If the model was made for them and they are missing, or not what the encoder was made for.
    """
    if module is None:
        return None
    if edge_attr is None:
        raise ValueError("edge_attr: the model was made for edge features")
    return encoded(module, edge_attr, "edge_attr")


def check_wanted(module: nn.Module | None, value: Tensor | None, name: str, rows: int) -> None:
    """Raise ValueError if the model was made for an input and it is missing, or the other way round, or has other rows.

    One row would be added to all nodes.
    """
    if (module is None) != (value is None):
        raise ValueError(f"{name}: the model was made {'without' if module is None else 'for'} it")
    if value is not None and len(value) != rows:
        raise ValueError(f"{name}: expected {rows} rows, one a node, got {len(value)}")


def blank(module: Encoder, count: int, like: Tensor) -> Tensor:
    """Rows of zeros that the encoder takes: types 0, or numbers, of the dtype of ``like``."""
    if isinstance(module, nn.Linear):
        return like.new_zeros(count, module.in_features)
    columns = len(module.sizes) if isinstance(module, SumEmbedding) else 1
    return torch.zeros(count, columns, dtype=torch.int64, device=like.device)


class GraphEncoder(nn.Module):
    """Nodes with their places, and edges, of the width that layers work with.

    Places become ``pe_width`` of the C channels, beside the nodes' own, as in GraphGPS; or all of them, added to the
    nodes' own, as in Dwivedi and Bresson (2021).

    Args:
        channels: C.
        in_channels: Features of a node; or ``node_types``: values of its type, or of each of its types.
        edge_channels: Features of an edge; or ``edge_types``, likewise; neither for a model without edge features.
        pe_channels: Values of a node's place; 0 for none. pe_width: Channels that they become; None to add them.
        pe_encoder: What makes them so, see :mod:`graphformers.encodings.encoders`. pe_signs: Whether their signs are
            arbitrary, as those of eigenvectors are. pe_norm: Whether the linear encoder normalises them first.
        wl_colours: Size of a table of Weisfeiler-Lehman colours, added to all channels; 0 for none.
        in_dropout: Of the embedded features of nodes.
    """

    def __init__(
        self,
        channels: int,
        *,
        in_channels: int | None = None,
        node_types: int | Sequence[int] | None = None,
        edge_channels: int | None = None,
        edge_types: int | Sequence[int] | None = None,
        pe_channels: int = 0,
        pe_width: int | None = None,
        pe_encoder: PositionEncoder = "linear",
        pe_signs: bool = True,
        pe_norm: bool = False,
        wl_colours: int = 0,
        in_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        beside = pe_width or 0
        if (pe_width is not None and (pe_channels > 0) != (pe_width > 0)) or not 0 <= beside < channels:
            raise ValueError(
                f"pe_channels, pe_width: expected both nil, or a width from 1 to {channels - 1}, "
                f"got {pe_channels} and {pe_width}"
            )
        self.node_encoder = node_encoder(in_channels, node_types, channels - beside)
        self.edge_encoder = edge_encoder(edge_channels, edge_types, channels)
        self.beside = beside > 0
        self.pe_encoder = (
            position_encoder(pe_encoder, pe_channels, beside or channels, flip_signs=pe_signs, batch_norm=pe_norm)
            if pe_channels
            else None
        )
        self.wl_encoder = nn.Embedding(wl_colours, channels) if wl_colours else None
        self.in_dropout = nn.Dropout(in_dropout)

    def reset_parameters(self) -> None:
        reset(self.node_encoder, self.edge_encoder, self.pe_encoder, self.wl_encoder)

    def nodes(
        self,
        x: Tensor,
        pe: Tensor | None = None,
        eigenvalues: Tensor | None = None,
        batch: Tensor | None = None,
        wl: Tensor | None = None,
    ) -> Tensor:
        """[N, C] of nodes x [N, ...].

        Args:
            pe: [N, P], places. eigenvalues: [G, P] and batch: [N], if places are entries of eigenvectors.
            wl: [N] Weisfeiler-Lehman colours.

        Raises:
            ValueError: If an input the model was made for is missing, one it was not made for is given, or shapes do
                not agree.
        """
        check_wanted(self.pe_encoder, pe, "pe", len(x))
        check_wanted(self.wl_encoder, wl, "wl", len(x))
        h = self.in_dropout(encoded(self.node_encoder, x, "x"))
        if self.pe_encoder is not None:
            places = self.pe_encoder(pe, eigenvalues, batch)
            h = torch.cat([h, places], dim=1) if self.beside else h + places
        return h if self.wl_encoder is None or wl is None else h + encoded(self.wl_encoder, wl, "wl")

    def edges(self, edge_attr: Tensor | None) -> Tensor | None:
        """As :func:`encoded_edges`."""
        return encoded_edges(self.edge_encoder, edge_attr)
