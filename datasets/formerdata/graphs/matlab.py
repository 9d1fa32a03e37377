"""Variables of a MATLAB file; needs SciPy (extra graph)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from formerkit.io import DataError, require


def load_matlab(path: str | os.PathLike[str], names: Sequence[str], expected: str) -> dict[str, Any]:
    """The variables of these names.

    Args:
        path: A file of version 5 to 7.2.
        names: Each must be there. expected: What the message says of them.

    Raises:
        DataError: If the file or a variable is absent, or it is no MATLAB file.
        MissingExtraError: If SciPy is absent.
    """
    sio = require("scipy.io", "graph", purpose="reading MATLAB files")
    if not Path(path).is_file():
        raise DataError(path, "no such file")
    try:
        file = sio.loadmat(path, variable_names=list(names))
    # SciPy's reader of this format meets damage with errors of many kinds.
    except Exception as error:
        problem = f"cannot be read ({type(error).__name__}: {error})"
        raise DataError(path, problem, expected="a MATLAB file, version 5 to 7.2") from None
    for name in names:
        if name not in file:
            raise DataError(path, "is absent", field=name, expected=expected)
    return file
