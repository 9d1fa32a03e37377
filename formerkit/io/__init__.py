"""Atomic writes, checksums, optional imports and the error classes."""

from formerkit.io.atomic import atomic_write, sync_folder
from formerkit.io.checksum import sha256_file
from formerkit.io.errors import CheckpointError, ConfigError, DataError, FormerkitError, MissingExtraError
from formerkit.io.extras import require

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "FormerkitError",
    "MissingExtraError",
    "atomic_write",
    "require",
    "sha256_file",
    "sync_folder",
]
