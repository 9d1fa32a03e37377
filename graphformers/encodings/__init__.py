"""Where a node stands in its graph."""

from graphformers.encodings.laplacian import laplacian_eigenvectors

__all__ = ["laplacian_eigenvectors"]
