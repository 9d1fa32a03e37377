"""From positional and structural encodings to channels: modules that take (pe, eigenvalues, batch).

An entry is missing where it is NaN or where its eigenvalue is (graphs with fewer eigenvectors than others); what stands
there, zero or anything else, has no effect.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

TRIVIAL = 1e-5
"""Eigenvalues below it are nil."""

PositionEncoder = Literal["linear", "deepset", "signnet"]


def position_encoder(
    name: PositionEncoder, k: int, channels: int, *, flip_signs: bool = True, batch_norm: bool = False
) -> nn.Module:
    """One of the encoders below: ``k`` entries of a node to so many channels.

    Args:
        name: Which.
        k, channels: As the encoders have them.
        flip_signs: Whether signs are arbitrary, as those of eigenvectors are.
        batch_norm: Of ``linear``: whether entries are normalised first.

    Raises:
        ValueError: If there is no such encoder, or it has no use for a batch norm.
    """
    if name == "linear":
        return LinearEncoder(k, channels, flip_signs=flip_signs, batch_norm=batch_norm)
    if batch_norm:
        raise ValueError(f"pe_norm: expected with the linear encoder alone, got {name!r}")
    if name == "deepset":
        return DeepSetEncoder(k, channels, flip_signs=flip_signs)
    if name == "signnet":
        return SignNetEncoder(k, channels)
    raise ValueError(f"pe_encoder: expected 'linear', 'deepset' or 'signnet', got {name!r}")


class LinearEncoder(nn.Module):
    """A linear map of the entries, as in Dwivedi and Bresson (2021).

    In training each eigenvector index gets one random sign for the whole mini-batch, from torch's own generator; except
    in graphs where its eigenvalue is nil, for the sign of the trivial vector is not arbitrary. In evaluation signs are
    as given.

    Args:
        k: Entries of a node.
        channels: C.
        flip_signs: False for encodings that have no sign to flip, such as those of random walks.
        batch_norm: Normalise the entries first, before signs are flipped, as GraphGPS does with random walks.
    """

    def __init__(self, k: int, channels: int, *, flip_signs: bool = True, batch_norm: bool = False) -> None:
        super().__init__()
        self.k, self.flip_signs = k, flip_signs
        self.norm = nn.BatchNorm1d(k) if batch_norm else None
        self.linear = nn.Linear(k, channels)

    def reset_parameters(self) -> None:
        self.linear.reset_parameters()
        if self.norm is not None:
            self.norm.reset_parameters()

    def forward(self, pe: Tensor, eigenvalues: Tensor | None = None, batch: Tensor | None = None) -> Tensor:
        """[N, k], [G, k] and [N] to [N, C]; see :func:`present`.

        Raises:
            ValueError: On shapes that do not agree.
        """
        there, values = present(pe, eigenvalues, batch, self.k)
        pe = torch.where(there, pe, 0.0)
        # Before the signs: the mean of a batch whose vectors were flipped is not the mean in evaluation.
        pe = pe if self.norm is None else self.norm(pe)
        return self.linear(_with_random_signs(pe, values) if self.training and self.flip_signs else pe)


class DeepSetEncoder(nn.Module):
    """A sum over pairs (entry, eigenvalue), each through one network, as GraphGPS encodes Laplacian eigenvectors.

    Signs are flipped in training as :class:`LinearEncoder` does.

    Args:
        k: Entries of a node.
        channels: C.
        hidden: Channels inside; 2 C if None.
        num_layers: Of the network of a pair, at least 1.
        flip_signs: As above.

    Source:
        Rampasek et al., *Recipe for a General, Powerful, Scalable Graph Transformer* (2022), after Kreuzer et al.,
        *Rethinking Graph Transformers with Spectral Attention* (2021).
    """

    def __init__(
        self, k: int, channels: int, *, hidden: int | None = None, num_layers: int = 2, flip_signs: bool = True
    ) -> None:
        super().__init__()
        self.k, self.flip_signs = k, flip_signs
        self.pair = _mlp(2, hidden or 2 * channels, channels, num_layers)

    def reset_parameters(self) -> None:
        _reset(self.pair)

    def forward(self, pe: Tensor, eigenvalues: Tensor | None, batch: Tensor | None = None) -> Tensor:
        """[N, k], [G, k] and [N] to [N, C]; zero for a node all of whose entries are missing.

        Raises:
            ValueError: On shapes that do not agree, or without eigenvalues.
        """
        there, found = present(pe, eigenvalues, batch, self.k)
        pe = torch.where(there, pe, 0.0)
        if self.training and self.flip_signs:
            pe = _with_random_signs(pe, found)
        values = torch.where(there, _needed(found), 0.0)
        encoded = self.pair(torch.stack([pe, values], dim=2))
        return torch.where(there[:, :, None], encoded, 0.0).sum(1)


class SignNetEncoder(nn.Module):
    """``rho(phi(v_1) + phi(-v_1), ..., phi(v_k) + phi(-v_k))``: the same for either sign of an eigenvector.

    ``phi`` looks at one eigenvector at a time: a network of each entry and its eigenvalue, followed by GIN layers over
    the graph's edges if there are any to be. It has no batch norm, so a graph's encoding does not depend on others.

    Args:
        k: Entries of a node.
        channels: C.
        hidden: Channels of ``phi``; C if None.
        num_layers: Of the networks inside, at least 1.
        message_passing: GIN layers in ``phi``; 0 for none, and then edges are not needed.

    Source:
        Lim et al., *Sign and Basis Invariant Networks for Spectral Graph Representation Learning* (2022), eq. 4.
    """

    def __init__(
        self,
        k: int,
        channels: int,
        *,
        hidden: int | None = None,
        num_layers: int = 2,
        message_passing: int = 0,
    ) -> None:
        super().__init__()
        hidden = hidden or channels
        self.k = k
        self.entry = _mlp(2, hidden, hidden, num_layers)
        self.updates = nn.ModuleList(_mlp(hidden, hidden, hidden, 2) for _ in range(message_passing))
        self.rho = _mlp(k * hidden, hidden, channels, num_layers)

    def reset_parameters(self) -> None:
        for network in (self.entry, *self.updates, self.rho):
            _reset(network)

    def forward(
        self,
        pe: Tensor,
        eigenvalues: Tensor | None,
        batch: Tensor | None = None,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """[N, k], [G, k], [N] and [2, E] to [N, C].

        Raises:
            ValueError: On shapes that do not agree, without eigenvalues, or without edges if there are GIN layers.
        """
        there, found = present(pe, eigenvalues, batch, self.k)
        if len(self.updates) and edge_index is None:
            raise ValueError("edge_index: the encoder was made with message passing")
        pe = torch.where(there, pe, 0.0)
        values = torch.where(there, _needed(found), 0.0)
        both = self._phi(pe, values, edge_index) + self._phi(-pe, values, edge_index)
        return self.rho(torch.where(there[:, :, None], both, 0.0).flatten(1))

    def _phi(self, pe: Tensor, values: Tensor, edge_index: Tensor | None) -> Tensor:
        """[N, k, hidden]. A graph lacks an eigenvector at all its nodes, so none that is missing reaches another."""
        h = self.entry(torch.stack([pe, values], dim=2))
        for update in self.updates:
            assert edge_index is not None
            around = torch.zeros_like(h).index_add(0, edge_index[1], h[edge_index[0]])
            h = h + update(h + around)
        return h


def present(pe: Tensor, eigenvalues: Tensor | None, batch: Tensor | None, k: int) -> tuple[Tensor, Tensor | None]:
    """Which entries are there.

    Args:
        pe: [N, k]. eigenvalues: [G, k]; if None, only NaN entries are missing. batch: [N]; one graph if None.
        k: As the module was made for.

    Returns:
        [N, k] bool, and the eigenvalues of each node's graph [N, k], or None without.

    Raises:
        ValueError: On shapes that do not agree.
    """
    if pe.ndim != 2 or pe.shape[1] != k:
        raise ValueError(f"pe: expected [N, {k}], got {tuple(pe.shape)}")
    there = ~pe.isnan()
    if eigenvalues is None:
        return there, None
    if eigenvalues.ndim != 2 or eigenvalues.shape[1] != k:
        raise ValueError(f"eigenvalues: expected [G, {k}], got {tuple(eigenvalues.shape)}")
    values = _of_nodes(eigenvalues, batch, len(pe))
    return there & ~values.isnan(), values


def _of_nodes(eigenvalues: Tensor, batch: Tensor | None, nodes: int) -> Tensor:
    """[N, k], the eigenvalues of each node's graph."""
    if batch is not None:
        if len(batch) != nodes:
            raise ValueError(f"batch: expected {nodes} entries, got {len(batch)}")
        if nodes and int(batch.max()) >= len(eigenvalues):
            raise ValueError(f"eigenvalues: expected {int(batch.max()) + 1} rows, one a graph, got {len(eigenvalues)}")
        return eigenvalues[batch]
    if len(eigenvalues) != 1:
        raise ValueError(f"eigenvalues: expected one row without batch, got {len(eigenvalues)}")
    return eigenvalues.expand(nodes, -1)


def _needed(values: Tensor | None) -> Tensor:
    if values is None:
        raise ValueError("eigenvalues: this encoder reads them beside pe, got none")
    return values


def _with_random_signs(pe: Tensor, values: Tensor | None) -> Tensor:
    """pe [N, k], given the eigenvalues of each node's graph."""
    signs = 2 * torch.randint(0, 2, (pe.shape[1],), device=pe.device) - 1
    # The trivial vector is positive. Flipped, it would show norms a mixture that evaluation does not.
    return pe * (signs if values is None else torch.where(values < TRIVIAL, 1, signs))


def _mlp(inputs: int, hidden: int, outputs: int, num_layers: int) -> nn.Sequential:
    if num_layers < 1:
        raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
    widths = [inputs] + [hidden] * (num_layers - 1) + [outputs]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _reset(network: nn.Module) -> None:
    for module in network.children():
        if isinstance(module, nn.Linear):
            module.reset_parameters()
