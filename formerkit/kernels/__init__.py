"""Compiled CPU kernels (numba). Import lazily: loading numba costs a fifth of a second."""
