"""Shared ground floor of Formerkit: sequence mixers, training, and safe input and output."""

__version__ = "0.1.0.dev0"
