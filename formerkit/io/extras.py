"""Lazy import of optional dependencies, with an error that names the extra to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from formerkit.io.errors import MissingExtraError


def require(module: str, extra: str, *, purpose: str) -> ModuleType:
    """Import ``module`` or say which extra brings it.

    Args:
        module: Import name, e.g. ``"open3d"``.
        extra: Extra of this project that installs it, e.g. ``"viz"``.
        purpose: What needs it, e.g. ``"pointdet.view"``.

    Raises:
        MissingExtraError: If the import fails, with the reason that the import gave.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: a shared library that the package needs is absent
        raise MissingExtraError(
            f"{purpose} needs '{module}', which could not be imported ({error}). "
            f"Install it with: pip install 'formerkit[{extra}]'"
        ) from error
