"""``python -m formerdata.waymo OUT --num-train 8 --num-val 2``: write built-in segments in Waymo's v2 layout."""

from __future__ import annotations

import sys


def main(args: list[str] | None = None) -> None:
    """Parse the command line and generate."""
    from jsonargparse import ArgumentParser

    from formerdata.waymo.built_in import SegmentSettings
    from formerkit.io import FormerkitError

    parser = ArgumentParser(prog="python -m formerdata.waymo", description=__doc__)
    parser.add_argument("root", type=str, help="Folder to write to; absent, empty, or made by the same command.")
    parser.add_argument("--num-train", "--num_train", type=int, default=8, help="Segments for training.")
    parser.add_argument("--num-val", "--num_val", type=int, default=2, help="Segments for validation.")
    parser.add_argument("--seed", type=int, default=0, help="Names the series.")
    parser.add_argument(
        "--num-workers", "--num_workers", type=int, default=None, help="Processes (default: one a core)."
    )
    parser.add_class_arguments(SegmentSettings, "settings")
    # jsonargparse renamed it in 4.49.
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    chosen = instantiate(parser.parse_args(args))

    from formerdata.waymo.generate import generate_waymo

    try:
        generate_waymo(**vars(chosen))
    except (FormerkitError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
