"""Arrays as kernels read them."""

from __future__ import annotations

import numpy as np


class _Memory:
    """An array's memory, said to be writeable; keeps the array alive."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def readable(array: np.ndarray) -> np.ndarray:
    """The same memory for a kernel that only reads it.

    Numba compiles anew for arrays that must not be written to, such as files mapped for reading, which takes seconds
    and gives the same code. Writing to what is returned may end the process.
    """
    return array if array.flags.writeable and type(array) is np.ndarray else np.asarray(_Memory(array))
