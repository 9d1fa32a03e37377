"""Graph transformers."""
