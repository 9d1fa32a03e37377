"""Shared ground floor of Formerkit: sequence mixers, training, and safe input and output."""

import os

__version__ = "0.1.0.dev0"

# torch's worker threads spin for a while after each operation, on the cores that the compiled kernels' threads then
# want; threads put to sleep at once cost as much in waking. A spin of under a millisecond is the best of both, and
# LION's training steps are the faster for it on two cores. Read once, when torch loads; a user's own choice stands.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
