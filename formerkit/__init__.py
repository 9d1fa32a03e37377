"""Shared ground floor of Formerkit: sequence mixers, training, and safe input and output."""

import os

__version__ = "0.1.0.dev0"

# torch's worker threads spin for a while after each operation, on the cores that the compiled kernels' threads then
# want: with two cores that costs a third of the speed. Read once, when torch loads; a user's own choice stands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
