"""The name by which other readers have known :mod:`formerdata.cache`."""

from formerdata.cache import cached

__all__ = ["cached"]
