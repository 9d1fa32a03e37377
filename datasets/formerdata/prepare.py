"""Get a data set ready: ``python -m formerdata.prepare waymo ROOT``.

Reads and checks the small tables of every segment and keeps an index of frames, row groups and boxes beside them
(``SPLIT/.formerkit``); of the v1 release, where in its file each frame is. The points stay where they are, unless
``--points`` asks for a copy. A run that was ended goes on where it was. The exit code is 1 if something is broken or
missing, 2 if the folder is no data set at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from formerkit.io import FormerkitError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    arguments = _parser().parse_args(argv)
    from formerdata.waymo.prepare import prepare, report

    try:
        parts = prepare(
            arguments.root, num_workers=arguments.workers, points=arguments.points, cache_dir=arguments.cache_dir
        )
    except FormerkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report(parts))
    problems = sum(len(part.problems) for part in parts)
    print(f"{problems} problems" if problems else "no problems")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m formerdata.prepare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    waymo = kinds.add_parser("waymo", help="The Waymo Open Dataset, v2 (Parquet) or v1 (TFRecord).")
    waymo.add_argument("root", help="Folder with training, validation and testing, or one of them.")
    waymo.add_argument("--workers", type=int, help="Processes (default: one a core).")
    waymo.add_argument("--points", action="store_true", help="Also write a copy of the points, one file a frame.")
    waymo.add_argument("--cache-dir", help="Where to write to (default: .formerkit in each split).")
    return parser


if __name__ == "__main__":
    sys.exit(main())
