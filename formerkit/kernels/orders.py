"""Which of a token's parts meet its output in a linear scan; told in :mod:`formerkit.kernels.linear_scan`."""

DECAY_ADD_READ, READ_DECAY_ADD, ADD_READ_DECAY = 0, 1, 2
CHUNK = 16
"""Tokens between two states that are kept for gradients, a multiple of the four that are taken at once."""
