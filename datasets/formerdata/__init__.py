"""Data pipelines: readers, checks, augmentations and built-in generators. Imports ``formerkit.io`` and
``formerkit.seeds`` only, never the models."""
