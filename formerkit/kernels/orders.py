"""Which of a token's parts meet its output in a linear scan; told in :mod:`formerkit.kernels.linear_scan`."""

DECAY_ADD_READ, READ_DECAY_ADD, ADD_READ_DECAY = 0, 1, 2
