"""Atomic writes, checksums, safe loading, optional imports and the error classes."""

from formerkit.io.atomic import atomic_write, sync_folder
from formerkit.io.checksum import sha256_file
from formerkit.io.errors import CheckpointError, ConfigError, DataError, FormerkitError, MissingExtraError
from formerkit.io.extras import require
from formerkit.io.foreign import load_foreign

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "FormerkitError",
    "MissingExtraError",
    "atomic_write",
    "load_foreign",
    "require",
    "sha256_file",
    "sync_folder",
]
