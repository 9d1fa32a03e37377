"""Where the real files are that some benchmarks read."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ.get("FORMERKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
