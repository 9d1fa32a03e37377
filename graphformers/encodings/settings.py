"""Which encodings a data set is to have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphformers.encodings.laplacian import Normalization


@dataclass(frozen=True)
class EncodingSettings:
    """What :func:`graphformers.encodings.with_encodings` computes.

    Attributes:
        kind: "laplacian" fills ``pe`` and ``eigenvalues``; "random_walk", "heat_kernel" and "fast_rp" fill ``pe``.
        k: Eigenvectors, steps, times 1 to k, or numbers of a projection.
        normalization: Of the Laplacian.
        skip_first: Leave out the first, trivial eigenvector.
        hops: Of "fast_rp", see :func:`graphformers.encodings.fast_random_projection`.
        wl: "paper" or "hash" fills ``wl``; see :mod:`graphformers.encodings.weisfeiler_lehman`.
        wl_rounds: Rounds, for "hash".
        wl_colours: Colours, for "hash".

    Raises:
        ValueError: On unknown words, k below 1, or a setting that could only be useless: the trivial vector alone.
    """

    kind: Literal["laplacian", "random_walk", "heat_kernel", "fast_rp", "none"] = "laplacian"
    k: int = 8
    normalization: Normalization = "sym"
    skip_first: bool = True
    hops: int = 4
    wl: Literal["paper", "hash", "none"] = "none"
    wl_rounds: int = 2
    wl_colours: int = 1024

    def __post_init__(self) -> None:
        for name, words in (
            ("kind", ("laplacian", "random_walk", "heat_kernel", "fast_rp", "none")),
            ("normalization", ("sym", "rw", "none")),
            ("wl", ("paper", "hash", "none")),
        ):
            if getattr(self, name) not in words:
                raise ValueError(f"{name}: expected one of {', '.join(words)}, got {getattr(self, name)!r}")
        for name in ("k", "hops"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.kind == "laplacian" and not self.skip_first and self.k == 1:
            raise ValueError("k: with skip_first=False the only eigenvector would be the trivial one")
        if self.kind == "heat_kernel" and self.normalization == "rw":
            raise ValueError("normalization: expected 'sym' or 'none' for heat_kernel, got 'rw'")
